//! As much of HTTP as a page on the own machine needs: GET and HEAD, a connection for each request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What a browser asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// The parts of the path between slashes, decoded.
    pub path: Vec<String>,
    /// The tag of the answer that the browser has already.
    pub known: Option<String>,
    /// True if it wants to know of the answer only.
    head: bool,
}

/// What it is answered.
#[derive(Debug)]
pub struct Response {
    status: &'static str,
    kind: &'static str,
    policy: &'static str,
    tag: Option<String>,
    body: Vec<u8>,
}

/// A page may use what comes from this server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// A report is a file that anybody may have written: it gets no script at all.
const REPORT_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// What a request may take.
const MOST_HEADER_BYTES: u64 = 16 << 10;
const TIMEOUT: Duration = Duration::from_secs(5);
const MOST_CONNECTIONS: usize = 64;

impl Response {
    /// Content of a kind such as `text/css`.
    pub fn of(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: "200 OK", kind, policy: POLICY, tag: None, body: body.into() }
    }

    /// JSON, which is not sent again to a browser that has it.
    pub fn json(value: &serde_json::Value, known: Option<&str>) -> Self {
        let body = value.to_string();
        let tag = format!("\"{:016x}\"", fingerprint(body.as_bytes()));
        if known == Some(&tag) {
            return Self { tag: Some(tag), ..Self::failure("304 Not Modified", "") };
        }
        Self { tag: Some(tag), ..Self::of("application/json", body) }
    }

    /// The report of a run.
    pub fn report(body: Vec<u8>) -> Self {
        Self { policy: REPORT_POLICY, ..Self::of("text/html; charset=utf-8", body) }
    }

    /// That what was asked for is not there.
    pub fn missing() -> Self {
        Self::failure("404 Not Found", "There is no such thing here.\n")
    }

    fn failure(status: &'static str, message: &str) -> Self {
        Self { status, ..Self::of("text/plain; charset=utf-8", message) }
    }

    fn write(&self, stream: &mut TcpStream, head: bool) -> std::io::Result<()> {
        let Self { status, kind, policy, tag, body } = self;
        let length = body.len();
        let tag = tag.as_ref().map(|tag| format!("ETag: {tag}\r\n")).unwrap_or_default();
        let header = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{tag}\
             Content-Security-Policy: {policy}\r\nX-Content-Type-Options: nosniff\r\n\
             Referrer-Policy: no-referrer\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(header.as_bytes())?;
        if !head {
            stream.write_all(body)?;
        }
        stream.flush()
    }
}

/// A number that other bytes hardly have.
///
/// # Source
/// Fowler, Noll, Vo: FNV-1a of 64 bits.
fn fingerprint(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Answers requests, each on a thread of its own, until the program is ended.
pub fn serve(
    listener: &TcpListener,
    answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
) {
    let answer = Arc::new(answer);
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().flatten() {
        // Beyond so many at once it is no browser: the connection is dropped.
        if open.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (answer, open) = (answer.clone(), open.clone());
        std::thread::spawn(move || {
            // Who hangs up in between wants no answer.
            let _ = converse(stream, &*answer);
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

fn converse(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Response) -> std::io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let local = stream.local_addr()?.ip();
    let mut lines = vec![];
    for line in BufReader::new((&stream).take(MOST_HEADER_BYTES)).lines() {
        match line {
            Ok(line) if line.is_empty() => break,
            Ok(line) => lines.push(line),
            Err(_) => return refusal("400 Bad Request").write(&mut stream, false),
        }
    }
    match understand(&lines, local) {
        Ok(request) => answer(&request).write(&mut stream, request.head),
        Err(status) => refusal(status).write(&mut stream, false),
    }
}

fn refusal(status: &'static str) -> Response {
    Response::failure(status, "This server answers GET requests of browsers on its own machine.\n")
}

/// The request in the lines of a header, or the status that refuses it.
fn understand(lines: &[String], local: IpAddr) -> Result<Request, &'static str> {
    let mut words = lines.first().map(|line| line.split(' ')).ok_or("400 Bad Request")?;
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    if !["GET", "HEAD"].contains(&method) {
        return Err("405 Method Not Allowed");
    }
    let header = |name: &str| {
        let fields = lines[1..].iter().filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim())
    };
    // A foreign page whose name was made to lead here could otherwise read everything.
    if !header("host").is_some_and(|host| is_own(host, local)) {
        return Err("403 Forbidden");
    }
    let path = target.split(['?', '#']).next().unwrap_or("");
    let parts = path.strip_prefix('/').ok_or("400 Bad Request")?.split('/');
    let path = parts.map(decoded).collect::<Option<Vec<_>>>().ok_or("400 Bad Request")?;
    Ok(Request { path, known: header("if-none-match").map(str::to_string), head: method == "HEAD" })
}

/// True if the host that a browser asks for is this machine by number, or by the name that no
/// server of names can give away.
fn is_own(host: &str, local: IpAddr) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|own| own == local || own.is_loopback())
}

/// A part of a path, in which bytes may be written as `%41`; none if that is broken or no text.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = part.bytes();
    let mut plain = vec![];
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                (16 * digit(bytes.next())? + digit(bytes.next())?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &[&str]) -> Result<Request, &'static str> {
        let lines: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
        understand(&lines, IpAddr::from([127, 0, 0, 1]))
    }

    #[test]
    fn requests_are_understood() {
        let request = asked(&[
            "GET /api/runs/a%2Fb%20%e6%95%b0?x=1 HTTP/1.1",
            "hOST: localhost:7000",
            "If-None-Match: \"7\"",
        ]);
        let request = request.unwrap();
        assert_eq!(request.path, ["api", "runs", "a/b 数"]);
        assert_eq!(request.known.as_deref(), Some("\"7\""));
        assert!(!request.head && asked(&["HEAD / HTTP/1.1", "Host: [::1]"]).unwrap().head);
    }

    #[test]
    fn others_are_refused() {
        let host = "Host: 127.0.0.1:1";
        let cases: [(&[&str], &str); 8] = [
            (&[], "400"),
            (&["nonsense"], "405"),
            (&["POST / HTTP/1.1", host], "405"),
            (&["GET http://a/ HTTP/1.1", host], "400"),
            (&["GET /%zz HTTP/1.1", host], "400"),
            (&["GET /%ff HTTP/1.1", host], "400"),
            (&["GET / HTTP/1.1"], "403"),
            (&["GET / HTTP/1.1", "Host: evil.example:80"], "403"),
        ];
        for (lines, status) in cases {
            let refused = asked(lines).unwrap_err();
            assert!(refused.starts_with(status), "{lines:?}: {refused}");
        }
        assert!(!is_own("10.0.0.1", IpAddr::from([10, 0, 0, 2])));
        assert!(is_own("10.0.0.2:80", IpAddr::from([10, 0, 0, 2])));
    }
}
