//! `gradus dashboard`.

mod http;
mod runs;

use crate::output::{say, say_json};
use clap::Args;
use gradus_tensor::{Error, Result};
use gradus_train::{COLOURS, Machine, SHARES};
use http::{Request, Response};
use runs::Runs;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Show live and finished trainings side by side, as a page in the browser
///
/// Curves, settings, confusion matrices, predictions, the machine's load and the log of events. The
/// page needs no network; it is served to this machine alone, unless another address is given.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gradus dashboard\n  gradus dashboard runs/digits-1\n  gradus \
                        dashboard experiments/ --port 8000"
)]
pub struct Dashboard {
    /// The folder of the runs, or of one run
    #[arg(default_value = "runs")]
    runs: PathBuf,
    /// The port of the page; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 7077)]
    port: u16,
    /// The address that the page is served at. Whoever reaches it can read all runs
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Say where the page is as a JSON object
    #[arg(long)]
    json: bool,
}

/// The files of the page: name, kind, content.
const FILES: [(&str, &str, &str); 8] = [
    ("", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("main.js", JAVASCRIPT, include_str!("page/main.js")),
    ("element.js", JAVASCRIPT, include_str!("page/element.js")),
    ("words.js", JAVASCRIPT, include_str!("page/words.js")),
    ("scale.js", JAVASCRIPT, include_str!("page/scale.js")),
    ("chart.js", JAVASCRIPT, include_str!("page/chart.js")),
    ("views.js", JAVASCRIPT, include_str!("page/views.js")),
];

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

impl Dashboard {
    /// Serves the page until the program is ended.
    ///
    /// # Errors
    /// If there is no such folder or the port is taken.
    pub fn run(self) -> Result<()> {
        let runs = Runs::new(self.runs.clone())?;
        let address = SocketAddr::new(self.host, self.port);
        let refused = |error| {
            let message = format!("the page cannot be served at {address}: {error}; try --port 0");
            Error::Setting(message)
        };
        let listener = TcpListener::bind(address).map_err(refused)?;
        let url = format!("http://{}/", listener.local_addr().map_err(refused)?);
        if self.json {
            say_json(&json!({ "url": url, "runs": self.runs }));
        } else {
            say(format_args!("the runs in {} are shown at {url}", self.runs.display()));
            eprintln!("Ctrl-C ends it");
        }
        let machine = Mutex::new(Machine::now());
        http::serve(&listener, move |request| answer(&runs, &machine, request));
        Ok(())
    }
}

fn answer(runs: &Runs, machine: &Mutex<Option<Machine>>, request: &Request) -> Response {
    let known = request.known.as_deref();
    let parts: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let found = match parts[..] {
        ["api", "runs"] => Some(Response::json(&runs.list(), known)),
        ["api", "runs", name] => runs.details(name).map(|run| Response::json(&run, known)),
        ["api", "machine"] => Some(Response::json(&load(machine), known)),
        ["report", name] => runs.report(name).map(Response::report),
        ["colours.css"] => Some(Response::of("text/css; charset=utf-8", COLOURS)),
        ["shares.js"] => {
            let script = format!("export const SHARES = {};\n", json!(SHARES));
            Some(Response::of(JAVASCRIPT, script))
        }
        [file] => FILES
            .iter()
            .find(|(name, ..)| *name == file)
            .map(|&(_, kind, content)| Response::of(kind, content)),
        _ => None,
    };
    found.unwrap_or_else(Response::missing)
}

/// How busy the machine was since the last time that somebody asked.
fn load(before: &Mutex<Option<Machine>>) -> Value {
    let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(now) = Machine::now() else {
        return json!({});
    };
    let share = before.as_ref().and_then(|before| now.cpu_share_since(before));
    // Two browsers that ask at once share the figures of a moment.
    if share.is_some() || before.is_none() {
        *before = Some(now.clone());
    }
    json!({
        "cpu_share": share,
        "cores": now.cores,
        "memory_bytes": now.memory_bytes,
        "available_bytes": now.available_bytes,
    })
}
