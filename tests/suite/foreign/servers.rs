//! Servers that send on to where they should not, say yes to everything, or never come to an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use saescript::store::RemoteFolder;
use saescript::transfer::Progress;

use super::run_script;
use crate::web::{Reply, serve};

fn read(address: &str) -> Result<Option<Vec<u8>>, String> {
    let folder = RemoteFolder::open(address).expect("an address");
    folder
        .read("index.jsonl", &Progress::default())
        .map_err(|error| error.to_string())
}

fn redirecting(target: impl Fn(&str) -> String + Send + Sync + 'static) -> String {
    serve("redirects", move |request| {
        Reply::new(302, format!("Location: {}\r\n", target(&request.path)))
    })
}

#[test]
fn redirects_stay_where_they_are_allowed() {
    let contents = serve("contents", |_| {
        let mut reply = Reply::new(200, "");
        reply.body = b"found".to_vec();
        reply
    });
    let port = contents.rsplit(':').next().expect("a port").to_string();
    let same_host = contents.clone();
    let followed = redirecting(move |_| format!("{same_host}/there"));
    assert_eq!(read(&followed), Ok(Some(b"found".to_vec())));

    let elsewhere = redirecting(move |_| format!("http://localhost:{port}/there"));
    let error = read(&elsewhere).expect_err("another host");
    assert!(
        error.contains("which is not followed: it is another host"),
        "{error}"
    );
    assert!(error.contains("SAESCRIPT_REDIRECT_HOSTS"), "{error}");

    let metadata = redirecting(|_| "http://169.254.169.254/latest/meta-data".into());
    let error = read(&metadata).expect_err("a private address");
    assert!(error.contains("169.254.169.254"), "{error}");

    let files = redirecting(|_| "file:///etc/passwd".into());
    assert!(read(&files).is_err_and(|error| error.contains("no web address")));
}

const SOURCE: &str = r#"
    ActivationFactory(ActivationFactoryConfig(#{
        sources: [ActivationFactoryActivationsSource(#{ name: "x", path: "ADDRESS" })],
        target: ActivationFactoryTarget::ACTIVATIONS_1D, hook_points: ["h"], batch_size: 4
    })).process(#{});
"#;

#[test]
fn a_server_that_has_any_file_is_not_asked_for_ever() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let server = serve("yes", move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        if request.path.ends_with("index.jsonl") {
            Reply::new(404, "")
        } else {
            Reply::new(200, "")
        }
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ran = run_script(&SOURCE.replace("ADDRESS", &server), folder.path(), &[]).ended_with(2);
    assert!(ran.err.contains("claims to have any file"), "{}", ran.err);
    assert!(asked.load(Ordering::Relaxed) < 100);
}

#[test]
fn a_store_that_always_has_another_page_is_not_asked_for_ever() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let server = serve("pages", move |_| {
        let page = count.fetch_add(1, Ordering::Relaxed);
        let mut reply = Reply::new(200, "Content-Type: application/xml\r\n");
        reply.body = format!(
            "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><Prefix>c/h/</Prefix><KeyCount>0</KeyCount>\
             <MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>\
             <NextContinuationToken>token-{page}</NextContinuationToken></ListBucketResult>"
        )
        .into_bytes();
        reply
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let variables = [
        ("AWS_ENDPOINT_URL", server.as_str()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let ran = run_script(&SOURCE.replace("ADDRESS", "s3://b/c"), folder.path(), &variables).ended_with(1);
    assert!(
        ran.err.contains("does not answer like an object store"),
        "{}",
        ran.err
    );
    assert!(asked.load(Ordering::Relaxed) < 200);
}
