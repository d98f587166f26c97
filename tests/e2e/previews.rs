//! A branch is looked at beside the live app, and nothing of the live app changes.

use nubes_tests::{Cloud, free_port_base, nubes, nubes_json, repository};
use serde_json::Value;
use std::path::{Path, PathBuf};

const LIVE: &str = "shop.localhost";
const PREVIEW: &str = "fix-colour--shop.localhost";

/// A checkout of an app and a cloud that it is deployed to.
struct Work {
    app: PathBuf,
    cloud: Cloud,
    _dir: tempfile::TempDir,
}

impl Work {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        assert!(nubes(dir.path(), &["new", "shop"]).await.unwrap().status.success());
        let app = dir.path().join("shop");
        std::fs::create_dir(app.join(".git")).unwrap();
        let cloud = Cloud::start(None, &dir.path().join("data"), free_port_base().unwrap()).await.unwrap();
        let work = Self { app, cloud, _dir: dir };
        work.checkout("ref: refs/heads/main");
        work
    }

    fn checkout(&self, head: &str) {
        std::fs::write(self.app.join(".git/HEAD"), format!("{head}\n")).unwrap();
    }

    fn write(&self, page: &str) {
        let page = format!("<!doctype html><title>{page}</title>");
        std::fs::write(self.app.join("web/index.html"), page).unwrap();
    }

    async fn run(&self, args: &[&str]) -> Value {
        nubes_json(&self.app, &[args, &["--node", &self.cloud.door()]].concat()).await.unwrap()
    }

    /// The exit code and the error's code.
    async fn refused(&self, args: &[&str]) -> (i32, String) {
        let node = self.cloud.door();
        let output = nubes(&self.app, &[args, &["--json", "--node", &node]].concat()).await.unwrap();
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        (output.status.code().unwrap(), error["error"]["code"].as_str().unwrap().to_owned())
    }

    async fn get(&self, host: &str, path: &str) -> (u16, String) {
        let request = reqwest::Client::new().get(format!("{}{path}", self.cloud.door()));
        let answer = request.header("host", host).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn visits(&self, host: &str) -> u64 {
        let (_, body) = self.get(host, "/api/visit").await;
        serde_json::from_str::<Value>(&body).unwrap()["visits"].as_u64().unwrap()
    }

    async fn kept(&self, name: &str) -> usize {
        let pins = self.run(&["pin", "ls"]).await;
        pins["pins"].as_array().unwrap().iter().filter(|pin| pin["name"] == name).count()
    }
}

fn transactions(value: &Value) -> usize {
    value["transactions"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_branch_is_previewed_beside_the_live_app_slow() {
    let work = Work::start().await;
    work.write("live");
    work.run(&["deploy", "--yes"]).await;
    let live = work.run(&["status"]).await;
    assert_eq!((work.visits(LIVE).await, work.visits(LIVE).await), (1, 2));

    work.checkout("ref: refs/heads/fix/colour");
    work.write("green");
    let made = work.run(&["deploy", "--preview", "--yes"]).await;
    assert_eq!(transactions(&made), 2, "{made}");
    let url = made["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("http://{PREVIEW}:")), "{url}");
    assert!(work.get(PREVIEW, "/").await.1.contains("green"));
    assert_eq!(work.visits(PREVIEW).await, 1, "a preview has its own state");
    assert_eq!(work.visits(LIVE).await, 3, "and the live app has its own");
    let again = work.run(&["deploy", "--preview", "--yes"]).await;
    assert_eq!(transactions(&again), 0, "{again}");

    work.write("blue");
    work.run(&["deploy", "--preview", "fix/colour", "--yes"]).await;
    assert!(work.get(PREVIEW, "/").await.1.contains("blue"));
    work.run(&["rollback", "--preview", "--yes"]).await;
    assert!(work.get(PREVIEW, "/").await.1.contains("green"));
    let status = work.run(&["status", "--preview"]).await;
    assert_eq!((&status["app"]["name"], &status["owner"]), (&"fix-colour--shop".into(), &live["owner"]));
    let invoked = work.run(&["invoke", "/api/visit", "--preview"]).await;
    assert_eq!(invoked["body"], r#"{"visits":2}"#, "{invoked}");
    let node = work.cloud.door();
    let logs = nubes(&work.app, &["logs", "--preview", "--node", &node]).await.unwrap();
    assert!(logs.status.success(), "{logs:?}");
    assert_eq!(work.run(&["status"]).await["cid"], live["cid"], "the live app is what it was");
    assert!(work.get(LIVE, "/").await.1.contains("live"));

    assert_ne!(work.kept("app:fix-colour--shop").await, 0);
    let kept = work.kept("app:shop").await;
    let removed = work.run(&["deploy", "--preview", "--remove", "--yes"]).await;
    assert_eq!((&removed["removed"], transactions(&removed)), (&"fix-colour--shop".into(), 2));
    for path in ["/", "/api/visit"] {
        assert_eq!(work.get(PREVIEW, path).await.0, 404);
    }
    assert_eq!(work.run(&["status", "--preview"]).await["app"], Value::Null);
    assert_eq!((work.kept("app:fix-colour--shop").await, work.kept("app:shop").await), (0, kept));
    let gone = work.refused(&["deploy", "--preview", "--remove", "--yes"]).await;
    assert_eq!(gone, (4, "NX1037".to_owned()));
    assert!(work.get(LIVE, "/").await.1.contains("live"));
    assert_eq!(work.visits(LIVE).await, 4);

    work.run(&["deploy", "--preview", "--yes"]).await;
    assert_eq!(work.visits(PREVIEW).await, 1, "what is made anew begins anew");
    assert_eq!(work.visits(LIVE).await, 5);

    work.checkout("8f14e45fceea167a5a36dedd4bea2543ee1b8c2f");
    assert_eq!(work.refused(&["deploy", "--preview", "--yes"]).await, (2, "NX1035".to_owned()));
    assert_eq!(work.refused(&["deploy", "--preview", "/", "--yes"]).await, (2, "NX1036".to_owned()));
    contracts_are_shared(&work).await;
    work.cloud.process.stop().await.unwrap();
}

/// Equal code has an equal address, so a preview deploys only the contracts that differ.
async fn contracts_are_shared(work: &Work) {
    let guestbook = repository().join("examples/guestbook");
    let node = work.cloud.door();
    let deploy = async |app: &Path, more: &[&str]| {
        nubes_json(app, &[&["deploy", "--yes", "--node", &node], more].concat()).await.unwrap()
    };
    let live = deploy(&guestbook, &[]).await;
    assert_eq!(live["transactions"][0]["what"], "contract guestbook", "{live}");
    let planned = deploy(&guestbook, &["--plan", "--preview", "fix"]).await;
    let whats: Vec<_> =
        planned["transactions"].as_array().unwrap().iter().map(|step| &step["what"]).collect();
    assert_eq!(whats, ["name fix.guestbook", "record of fix--guestbook"]);
}
