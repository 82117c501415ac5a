//! Requests that nobody's browser page makes: refused, each with its reason, and the server goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::served::{Served, small};

/// An answer: its status, its head in lower case, its body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn raw(host: &str, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(host).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("set");
    // A server that refuses early may close before all was sent.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    Answer {
        status,
        head: head.to_lowercase(),
        body: body.to_string(),
    }
}

/// A request with its lines; `Host` and `Connection` are added where they are not given.
fn ask(host: &str, line: &str, headers: &[&str], body: &str) -> Answer {
    let mut request = format!("{line} HTTP/1.1\r\n");
    let given = |name: &str| {
        headers
            .iter()
            .any(|header| header.to_lowercase().starts_with(name))
    };
    if !given("host:") {
        request += &format!("Host: {host}\r\n");
    }
    if !body.is_empty() && !given("content-length:") {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    headers
        .iter()
        .for_each(|header| request += &format!("{header}\r\n"));
    request += "Connection: close\r\n\r\n";
    request += body;
    raw(host, request.as_bytes())
}

const JSON: &str = "Content-Type: application/json";

/// Enters by the link; the cookie as a header, and the token for changes.
fn entered(served: &Served) -> (String, String) {
    let body = format!("{{\"token\": \"{}\"}}", served.token());
    let answer = ask(&served.host, "POST /api/enter", &[JSON], &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let cookie = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .expect("a cookie")
        .to_string();
    for attribute in ["httponly", "samesite=strict", "path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = format!("Cookie: {}", cookie.split(';').next().expect("a pair"));
    let meta = ask(&served.host, "GET /api/meta", &[&cookie], "");
    let meta: serde_json::Value = serde_json::from_str(&meta.body).expect("JSON");
    let token = format!(
        "X-Saescript-Token: {}",
        meta["write_token"].as_str().expect("a token")
    );
    (cookie, token)
}

const READS: [&str; 6] = [
    "meta",
    "columns",
    "latent?latent=1",
    "rows?latents=1",
    "search?words=a",
    "bookmarks",
];

#[test]
fn without_the_link_nothing_of_the_store_is_told() {
    let (_folder, path) = small();
    let served = Served::start(&[&path], &[]);
    for what in READS {
        for cookie in [
            "X: y",
            "Cookie: saescript=1",
            "Cookie: saescript-1=",
            "Cookie: a=b; ;;=; saescript",
        ] {
            let answer = ask(&served.host, &format!("GET /api/{what}"), &[cookie], "");
            assert_eq!(answer.status, 401, "{what}");
            assert!(
                answer.body.contains("Open the address that the terminal shows."),
                "{}",
                answer.body
            );
            assert!(!answer.body.contains("tiny-pythia") && !answer.head.contains("set-cookie"));
        }
    }
    for token in ["", "0", &"0".repeat(48), &served.token()[1..]] {
        let answer = ask(
            &served.host,
            "POST /api/enter",
            &[JSON],
            &format!("{{\"token\": \"{token}\"}}"),
        );
        assert_eq!(answer.status, 401);
    }
    let (cookie, _) = entered(&served);
    let again = ask(
        &served.host,
        "POST /api/enter",
        &[JSON],
        &format!("{{\"token\": \"{}\"}}", served.token()),
    );
    assert_eq!(again.status, 401);
    assert!(
        again.body.contains("This link was used already"),
        "{}",
        again.body
    );
    let begun = Instant::now();
    while served.lines().len() < 4 && begun.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let lines = served.lines();
    let newer = lines
        .last()
        .and_then(|line| line.split("token=").nth(1))
        .expect("a new link on the terminal")
        .to_string();
    let answer = ask(
        &served.host,
        "POST /api/enter",
        &[JSON],
        &format!("{{\"token\": \"{newer}\"}}"),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        ask(&served.host, "GET /api/meta", &[&cookie], "").status,
        200,
        "the first browser stays"
    );
}

#[test]
fn other_hosts_origins_and_methods_are_refused() {
    let (_folder, path) = small();
    let served = Served::start(&[&path], &[]);
    let (cookie, token) = entered(&served);
    let port = served.host.split(':').nth(1).expect("a port");
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1.evil.example",
        "",
    ] {
        for what in ["/", "/main.js", "/api/meta"] {
            let answer = ask(
                &served.host,
                &format!("GET {what}"),
                &[&format!("Host: {host}"), &cookie],
                "",
            );
            assert_eq!(answer.status, 403, "{host}{what}");
        }
    }
    let label = "{\"latent\": 1, \"text\": \"x\"}";
    for origin in [
        "http://evil.example",
        "null",
        "https://127.0.0.1",
        &format!("http://localhost:{port}"),
    ] {
        let headers = [JSON, &format!("Origin: {origin}"), &cookie, &token];
        assert_eq!(
            ask(&served.host, "POST /api/label", &headers, label).status,
            403,
            "{origin}"
        );
    }
    let own = format!("Origin: http://{}", served.host);
    assert_eq!(
        ask(&served.host, "POST /api/label", &[JSON, &own, &cookie], label).status,
        403,
        "no token"
    );
    assert_eq!(
        ask(&served.host, "POST /api/label", &[JSON, &own, &token], label).status,
        401,
        "no cookie"
    );
    assert_eq!(
        ask(
            &served.host,
            "POST /api/label",
            &["Content-Type: text/plain", &own, &cookie, &token],
            label
        )
        .status,
        415
    );
    assert_eq!(
        ask(&served.host, "GET /api/label", &[&cookie, &token], "").status,
        405
    );
    for method in ["PUT", "DELETE", "OPTIONS", "TRACE", "WHAT"] {
        let answer = ask(
            &served.host,
            &format!("{method} /api/label"),
            &[JSON, &own, &cookie, &token],
            label,
        );
        assert!(
            [401, 403, 404, 405].contains(&answer.status),
            "{method}: {}",
            answer.status
        );
        assert!(!answer.head.contains("access-control-allow"));
    }
    assert_eq!(
        ask(
            &served.host,
            "POST /api/label",
            &[JSON, &own, &cookie, &token],
            label
        )
        .status,
        200
    );
    for what in ["/", "/main.js", "/nothing", "/api/meta", "/api/latent?latent=1"] {
        let answer = ask(&served.host, &format!("GET {what}"), &[&cookie], "");
        for header in [
            "content-security-policy: default-src 'self'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "cache-control: no-store",
        ] {
            assert!(answer.head.contains(header), "{what} lacks {header}");
        }
    }
}

#[test]
fn strange_paths_numbers_and_bodies_get_clear_answers() {
    let (_folder, path) = small();
    let served = Served::start(&[&path], &[]);
    let (cookie, token) = entered(&served);
    let get = |what: &str| ask(&served.host, &format!("GET {what}"), &[&cookie], "");
    for what in [
        "/../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/pages/..%2fmain.js",
        "/pages",
        "/main.js%00.html",
        "/api",
        "/api/",
        "/api/meta/",
        "/.git/config",
        "/\\..\\x",
    ] {
        let answer = get(what);
        assert!([400, 404].contains(&answer.status), "{what}: {}", answer.status);
        assert!(!answer.body.contains("root:"));
    }
    for what in [
        "latent",
        "latent?latent=600",
        "latent?latent=-1",
        "latent?latent=99999999999999999999",
        "latent?latent=1e3",
        "latent?latent=1&store=9",
        "latent?latent=1&store=x",
        "meta?analysis=none",
        "rows?latents=1,x",
        "rows?latents=700",
        &format!("rows?latents={}", "1,".repeat(300)),
    ] {
        let answer = get(&format!("/api/{what}"));
        assert!(
            [400, 409].contains(&answer.status),
            "{what}: {} {}",
            answer.status,
            answer.body
        );
        let told: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        assert!(
            told["error"].as_str().is_some_and(|error| error.len() > 10),
            "{what}: {told}"
        );
    }
    assert_eq!(get("/api/latent?latent=1&version=old").status, 409);
    assert_eq!(
        get(&format!("/api/search?words={}", "%22*AND(NOT+".repeat(200))).status,
        200
    );
    let post = |body: &str| ask(&served.host, "POST /api/label", &[JSON, &cookie, &token], body);
    for body in [
        "{",
        "[]",
        "null",
        "{\"latent\": 1}",
        "{\"latent\": -1, \"text\": \"\"}",
        "{\"latent\": 1, \"text\": 1}",
        "{\"latent\": 600, \"text\": \"x\"}",
        "{\"latent\": 1, \"text\": \"x\", \"more\": 1}",
        &"[".repeat(100_000),
    ] {
        assert_eq!(post(body).status, 400, "{}", &body[..body.len().min(60)]);
    }
    let long = format!("{{\"latent\": 1, \"text\": \"{}\"}}", "x".repeat(20_000));
    assert!(
        post(&long).body.contains("a label has at most") || post(&long).body.contains("A label has at most"),
        "{}",
        post(&long).body
    );
    let huge = format!("{{\"latent\": 1, \"text\": \"{}\"}}", "x".repeat(3 << 20));
    assert!([0, 413].contains(&post(&huge).status));
    let lying = ask(
        &served.host,
        "POST /api/label",
        &[JSON, &cookie, &token, "Content-Length: 99999999999"],
        "{}",
    );
    assert!([0, 400, 408, 413].contains(&lying.status), "{}", lying.status);
    let head = format!("X: {}", "x".repeat(1 << 20));
    assert!([0, 400, 431].contains(&ask(&served.host, "GET /", &[&head], "").status));
    assert!([0, 400].contains(&raw(&served.host, b"\x16\x03\x01\x02\x00\x01\x00 no words").status));
    assert_eq!(get("/api/meta").status, 200, "the server goes on");
}

#[test]
fn who_is_slow_keeps_nobody_else_from_the_server() {
    let (_folder, path) = small();
    let served = Served::start(&[&path], &[]);
    let (cookie, _) = entered(&served);
    let slow: Vec<TcpStream> = (0..150)
        .filter_map(|_| {
            let mut stream = TcpStream::connect(&served.host).ok()?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: ").ok()?;
            Some(stream)
        })
        .collect();
    assert!(slow.len() > 100);
    let begun = Instant::now();
    assert_eq!(ask(&served.host, "GET /api/meta", &[&cookie], "").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
