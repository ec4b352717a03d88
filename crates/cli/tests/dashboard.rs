//! The dashboard as a browser meets it: the page, its data, and what it refuses.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A dashboard that runs until it is dropped.
struct Served {
    program: Child,
    address: String,
    runs: TempDir,
}

/// What a server answered.
struct Answer {
    status: u16,
    header: String,
    body: String,
}

impl Served {
    /// Serves a folder with files.
    fn new(files: &[(&str, &str)]) -> Self {
        let runs = TempDir::new().unwrap();
        fs::create_dir(runs.path().join("runs")).unwrap();
        for (path, content) in files {
            write(&runs.path().join("runs").join(path), content);
        }
        write(&runs.path().join("secret/config.json"), "{\"secret\":1}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
        command.args(["dashboard", "--json", "--port", "0"]).arg(runs.path().join("runs"));
        let mut program = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let url = said["url"].as_str().unwrap();
        let address = url.strip_prefix("http://").unwrap().trim_end_matches('/').to_string();
        Self { program, address, runs }
    }

    /// Sends bytes as they are.
    fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = vec![];
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (header, body) = text.split_once("\r\n\r\n").unwrap();
        let status = header.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, header: header.into(), body: body.into() }
    }

    fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address))
    }

    fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
fn the_page_needs_nothing_but_this_server() {
    let served = Served::new(&[]);
    let page = served.get("/");
    assert_eq!(page.status, 200);
    assert!(
        page.header.contains("Content-Security-Policy: default-src 'none';"),
        "{}",
        page.header
    );
    let links: Vec<&str> = page
        .body
        .split(['"'])
        .filter(|part| part.starts_with('/') && !part.contains('>'))
        .collect();
    assert_eq!(links, ["/colours.css", "/style.css", "/main.js"]);
    let mut waiting: Vec<String> = links.iter().map(|link| link.to_string()).collect();
    let mut seen = vec![];
    // Scripts name the others that they need.
    while let Some(link) = waiting.pop() {
        let file = served.get(&link);
        assert_eq!(file.status, 200, "{link}");
        for outside in ["https://", "url(", "@import", "innerHTML", "eval("] {
            assert!(!file.body.contains(outside), "{outside} in {link}");
        }
        seen.push(link);
        for import in file.body.split("from \"./").skip(1) {
            let import = format!("/{}", import.split('"').next().unwrap());
            if !seen.contains(&import) && !waiting.contains(&import) {
                waiting.push(import);
            }
        }
    }
    assert_eq!(seen.len(), 9, "{seen:?}");
    // Which figures are shares is known in one place.
    let shares = served.get("/shares.js").body;
    assert!(shares.starts_with("export const SHARES = [\"accuracy\","), "{shares}");
}

#[test]
fn runs_are_given_as_json_while_they_grow() {
    let served = Served::new(&[
        ("digits-1/config.json", "{\"epochs\": 3, \"seed\": 7}"),
        ("digits-1/metrics.jsonl", "{\"epoch\":1,\"train_loss\":0.5,\"seconds\":2.0}\n{\"ep"),
        ("digits-1/report.html", "<p>report</p>"),
        ("a b<&>\"/config.json", "{}"),
    ]);
    let list = served.json("/api/runs");
    assert_eq!(list["runs"][1]["name"], "digits-1");
    assert_eq!(list["runs"][1]["last"]["train_loss"], 0.5);
    assert_eq!(list["runs"][0]["name"], "a b<&>\"");
    assert_eq!(served.json("/api/runs/a%20b%3C%26%3E%22")["config"], serde_json::json!({}));
    let run = served.json("/api/runs/digits-1");
    assert_eq!(run["epochs"]["epoch"], serde_json::json!([1]));
    assert_eq!((run["state"].as_str(), run["config"]["seed"].as_u64()), (Some("running"), Some(7)));

    let path = served.runs.path().join("runs/digits-1");
    write(&path.join("metrics.jsonl"), "{\"epoch\":1}\n{\"epoch\":2,\"valid_loss\":0.4}\n");
    write(&path.join("result.json"), "{\"test_accuracy\": 0.9}");
    let run = served.json("/api/runs/digits-1");
    assert_eq!(run["epochs"]["valid_loss"], serde_json::json!([null, 0.4]));
    assert_eq!((run["state"].as_str(), run["done"].as_u64()), (Some("finished"), Some(2)));

    let report = served.get("/report/digits-1");
    assert_eq!(report.body, "<p>report</p>");
    assert!(report.header.contains("sandbox; default-src 'none'"), "{}", report.header);
}

#[test]
fn what_a_browser_has_is_not_sent_again() {
    let served = Served::new(&[("a/config.json", "{}"), ("a/result.json", "{}")]);
    let first = served.get("/api/runs");
    let tag = first.header.split("ETag: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let host = &served.address;
    let ask = |tag: &str| {
        let request =
            format!("GET /api/runs HTTP/1.1\r\nHost: {host}\r\nIf-None-Match: {tag}\r\n\r\n");
        served.send(&request)
    };
    let second = ask(tag);
    assert_eq!((second.status, second.body.as_str()), (304, ""));
    assert_eq!(ask("\"other\"").body, first.body);
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let served = Served::new(&[("a/config.json", "{}")]);
    for path in [
        "/api/runs/..%2Fsecret",
        "/api/runs/../secret",
        "/report/..%2Fsecret",
        "/report/%2e%2e",
        "/api/runs/",
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/api/runs/a%00",
        "/nothing.js",
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.body.contains("secret"), "{path}");
    }
}

#[test]
fn strange_requests_are_refused_and_do_no_harm() {
    let served = Served::new(&[("a/config.json", "{}")]);
    assert_eq!(served.send("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 403);
    assert_eq!(served.send("GET / HTTP/1.1\r\n\r\n").status, 403);
    let host = &served.address;
    assert_eq!(served.send(&format!("POST / HTTP/1.1\r\nHost: {host}\r\n\r\n")).status, 405);
    assert_eq!(served.send(&format!("GET /%zz HTTP/1.1\r\nHost: {host}\r\n\r\n")).status, 400);
    // Somebody connects and says nothing.
    let silent = TcpStream::connect(&served.address).unwrap();
    assert_eq!(served.get("/").status, 200);
    drop(silent);
}

#[test]
fn a_folder_that_is_not_there_and_a_port_that_is_taken_are_explained() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gradus"));
        let output = command.arg("dashboard").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run(&["nowhere-at-all"]).contains("nowhere-at-all"));
    let served = Served::new(&[("a/config.json", "{}")]);
    let port = served.address.rsplit(':').next().unwrap();
    let message = run(&[served.runs.path().to_str().unwrap(), "--port", port]);
    assert!(message.contains(port) && message.contains("--port 0"), "{message}");
}

/// A browser without a window, if one is installed.
fn browser() -> Option<&'static str> {
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let there = |name: &&str| {
        let version = Command::new(name).arg("--version").stderr(Stdio::null()).output();
        version.is_ok_and(|output| output.status.success())
    };
    known.into_iter().find(there)
}

/// What a page is after its scripts ran; none, said aloud, where there is no browser.
fn rendered(url: &str) -> Option<String> {
    let Some(browser) = browser() else {
        eprintln!("SKIPPED: no chromium is installed, so that the page was not tried in a browser");
        return None;
    };
    let profile = TempDir::new().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        .args(["--virtual-time-budget=5000", "--window-size=1200,900", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .output()
        .unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && !page.is_empty(),
        "{url}: {output:?}",
        output = output.stderr
    );
    Some(page)
}

#[test]
fn a_browser_draws_runs_and_nothing_that_a_name_says() {
    let hostile = "<img src=x onerror=document.title=1>-1";
    let files: Vec<(String, String)> = ["digits-1", hostile]
        .iter()
        .flat_map(|run| {
            let epoch = |n: i32| {
                let loss = 1.0 / f64::from(n);
                format!(
                    "{{\"epoch\":{n},\"train_loss\":{loss},\"valid_loss\":{loss},\"seconds\":1}}\n"
                )
            };
            let confusion = "{\"classes\":[\"<b>\",\"b\"],\"counts\":[[5,1],[2,7]]}";
            [
                (
                    format!("{run}/config.json"),
                    "{\"epochs\":3,\"optimizer\":{\"kind\":\"adam\"}}".into(),
                ),
                (format!("{run}/metrics.jsonl"), (1..=3).map(epoch).collect()),
                (format!("{run}/confusion.json"), confusion.into()),
                (format!("{run}/result.json"), "{\"test_loss\": 0.25}".into()),
            ]
        })
        .collect();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    let served = Served::new(&files);
    let page = |address: &str| rendered(&format!("http://{}/{address}", served.address));

    let Some(curves) = page("?theme=dark#view=curves&lang=en") else { return };
    assert!(curves.contains("data-theme=\"dark\""), "{curves}");
    assert_eq!(curves.matches("<figure class=\"chart\">").count(), 2, "loss and seconds");
    assert_eq!(curves.matches("class=\"line\" d=\"M").count() - 2, 6, "and two in the legend");
    assert!(curves.contains("&lt;img src=x onerror"), "the name is shown as it is");
    assert!(!curves.contains("<img"), "and makes no picture");
    assert!(curves.contains("0.2500"), "the figure of the test is in the table");

    let confusion = page("#view=confusion&lang=zh&runs=digits-1").unwrap();
    assert!(confusion.contains("混淆矩阵") && confusion.contains("lang=\"zh-CN\""));
    assert!(confusion.contains("<bdi>&lt;b&gt;</bdi>"), "{confusion}");
    assert!(confusion.contains("80.00 %"), "12 of 15 are right");

    let empty = page("#view=curves&lang=en&runs=").unwrap();
    assert!(empty.contains("Tick runs in the table"), "{empty}");
}
