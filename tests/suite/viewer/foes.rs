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

/// What a browser has that came by the link: the cookie and the token for changes, as headers.
struct Guest<'a> {
    host: &'a str,
    cookie: String,
    token: String,
}

/// Sends the token of a link.
fn enter(host: &str, token: &str) -> Answer {
    ask(
        host,
        "POST /api/enter",
        &[JSON],
        &format!("{{\"token\": \"{token}\"}}"),
    )
}

impl<'a> Guest<'a> {
    fn of(served: &'a Served) -> Self {
        let host = &served.host;
        let answer = enter(host, served.token());
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cookies = answer
            .head
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookies.expect("a cookie");
        for attribute in ["httponly", "samesite=strict", "path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        let cookie = format!("Cookie: {}", cookie.split(';').next().expect("a pair"));
        let meta = ask(host, "GET /api/meta", &[&cookie], "");
        let meta: serde_json::Value = serde_json::from_str(&meta.body).expect("JSON");
        let token = meta["write_token"].as_str().expect("a token");
        Guest {
            host,
            cookie,
            token: format!("X-Saescript-Token: {token}"),
        }
    }

    fn get(&self, what: &str) -> Answer {
        ask(self.host, &format!("GET {what}"), &[&self.cookie], "")
    }

    /// Sends `body` as a label, with the cookie, the token and further headers.
    fn post(&self, headers: &[&str], body: &str) -> Answer {
        let own = [self.cookie.as_str(), self.token.as_str()];
        ask(self.host, "POST /api/label", &[&own, headers].concat(), body)
    }
}

const LABEL: &str = "{\"latent\": 1, \"text\": \"x\"}";

#[test]
fn without_the_link_nothing_of_the_store_is_told() {
    let (_folder, path) = small();
    let served = Served::start(&[&path], &[]);
    let reads = [
        "meta",
        "columns",
        "latent?latent=1",
        "rows?latents=1",
        "search?words=a",
        "bookmarks",
    ];
    let cookies = [
        "X: y",
        "Cookie: saescript=1",
        "Cookie: saescript-1=",
        "Cookie: a=b; ;;=; saescript",
    ];
    for what in reads {
        for cookie in cookies {
            let answer = ask(&served.host, &format!("GET /api/{what}"), &[cookie], "");
            assert_eq!(answer.status, 401, "{what}");
            let hint = "Open the address that the terminal shows.";
            assert!(answer.body.contains(hint), "{}", answer.body);
            assert!(!answer.body.contains("tiny-pythia") && !answer.head.contains("set-cookie"));
        }
    }
    for token in ["", "0", &"0".repeat(48), &served.token()[1..]] {
        assert_eq!(enter(&served.host, token).status, 401);
    }
}

#[test]
fn a_link_opens_one_browser_and_the_terminal_has_the_next() {
    let (_folder, path) = small();
    let served = Served::start(&[&path], &[]);
    let guest = Guest::of(&served);
    let again = enter(&served.host, served.token());
    assert_eq!(again.status, 401);
    assert!(
        again.body.contains("This link was used already"),
        "{}",
        again.body
    );
    let begun = Instant::now();
    while served.lines().is_empty() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let lines = served.lines();
    let next = lines.last().and_then(|line| line.split("token=").nth(1));
    assert_eq!(enter(&served.host, next.expect("a new link")).status, 200);
    assert_eq!(guest.get("/api/meta").status, 200, "the first browser stays");
}

#[test]
fn other_hosts_and_origins_are_refused() {
    let (_folder, path) = small();
    let served = Served::start(&[&path], &[]);
    let guest = Guest::of(&served);
    let port = served.host.split(':').nth(1).expect("a port");
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1.evil.example",
        "",
    ] {
        for what in ["/", "/main.js", "/api/meta"] {
            let headers = [&format!("Host: {host}"), guest.cookie.as_str()];
            let answer = ask(&served.host, &format!("GET {what}"), &headers, "");
            assert_eq!(answer.status, 403, "{host}{what}");
        }
    }
    let near = format!("http://localhost:{port}");
    for origin in ["http://evil.example", "null", "https://127.0.0.1", &near] {
        let answer = guest.post(&[JSON, &format!("Origin: {origin}")], LABEL);
        assert_eq!(answer.status, 403, "{origin}");
    }
    let own = format!("Origin: http://{}", served.host);
    assert_eq!(guest.post(&[JSON, &own], LABEL).status, 200);
}

#[test]
fn changes_need_the_cookie_and_the_token_and_say_what_they_are() {
    let (_folder, path) = small();
    let served = Served::start(&[&path], &[]);
    let guest = Guest::of(&served);
    let post = |headers: &[&str]| ask(&served.host, "POST /api/label", headers, LABEL).status;
    assert_eq!(post(&[JSON, &guest.cookie]), 403, "no token");
    assert_eq!(post(&[JSON, &guest.token]), 401, "no cookie");
    assert_eq!(guest.post(&["Content-Type: text/plain"], LABEL).status, 415);
    assert_eq!(guest.get("/api/label").status, 405);
    for method in ["PUT", "DELETE", "OPTIONS", "TRACE", "WHAT"] {
        let headers = [JSON, &guest.cookie, &guest.token];
        let answer = ask(&served.host, &format!("{method} /api/label"), &headers, LABEL);
        assert!(
            [401, 403, 404, 405].contains(&answer.status),
            "{method}: {}",
            answer.status
        );
        assert!(!answer.head.contains("access-control-allow"));
    }
    let all = [
        "content-security-policy: default-src 'self'",
        "x-content-type-options: nosniff",
        "x-frame-options: deny",
        "cache-control: no-store",
    ];
    for what in ["/", "/main.js", "/nothing", "/api/meta", "/api/latent?latent=1"] {
        let answer = guest.get(what);
        for header in all {
            assert!(answer.head.contains(header), "{what} lacks {header}");
        }
    }
}

#[test]
fn strange_paths_and_numbers_get_clear_answers() {
    let (_folder, path) = small();
    let served = Served::start(&[&path], &[]);
    let guest = Guest::of(&served);
    let paths = "/../../../etc/passwd /%2e%2e/%2e%2e/etc/passwd //etc/passwd /pages/..%2fmain.js /pages \
                 /main.js%00.html /api /api/ /api/meta/ /.git/config /\\..\\x";
    for what in paths.split_whitespace() {
        let answer = guest.get(what);
        assert!([400, 404].contains(&answer.status), "{what}: {}", answer.status);
        assert!(!answer.body.contains("root:"));
    }
    let questions = "latent latent?latent=600 latent?latent=-1 latent?latent=99999999999999999999 latent?latent=1e3 \
                     latent?latent=1&store=9 latent?latent=1&store=x meta?analysis=none rows?latents=1,x";
    let many = format!("rows?latents={}", "1,".repeat(300));
    for what in questions.split_whitespace().chain([many.as_str()]) {
        let answer = guest.get(&format!("/api/{what}"));
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        let told: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        let error = told["error"].as_str();
        assert!(error.is_some_and(|error| error.len() > 10), "{what}: {told}");
    }
    assert_eq!(guest.get("/api/latent?latent=1&version=old").status, 409);
    let words = "%22*AND(NOT+".repeat(200);
    assert_eq!(guest.get(&format!("/api/search?words={words}")).status, 200);
}

#[test]
fn strange_and_huge_requests_get_clear_answers_and_the_server_goes_on() {
    let (_folder, path) = small();
    let served = Served::start(&[&path], &[]);
    let guest = Guest::of(&served);
    let deep = "[".repeat(100_000);
    for body in [
        "{",
        "[]",
        "null",
        "{\"latent\": 1}",
        "{\"latent\": -1, \"text\": \"\"}",
        "{\"latent\": 1, \"text\": 1}",
        "{\"latent\": 600, \"text\": \"x\"}",
        "{\"latent\": 1, \"text\": \"x\", \"more\": 1}",
        &deep,
    ] {
        let status = guest.post(&[JSON], body).status;
        assert_eq!(status, 400, "{}", &body[..body.len().min(60)]);
    }
    let with = |text: String| format!("{{\"latent\": 1, \"text\": \"{text}\"}}");
    let long = guest.post(&[JSON], &with("x".repeat(20_000)));
    assert!(long.body.contains("A label has at most"), "{}", long.body);
    assert!([0, 413].contains(&guest.post(&[JSON], &with("x".repeat(3 << 20))).status));
    let lying = guest.post(&[JSON, "Content-Length: 99999999999"], "{}");
    assert!([0, 400, 408, 413].contains(&lying.status), "{}", lying.status);
    let head = format!("X: {}", "x".repeat(1 << 20));
    assert!([0, 400, 431].contains(&ask(&served.host, "GET /", &[&head], "").status));
    let noise = raw(&served.host, b"\x16\x03\x01\x02\x00\x01\x00 no words");
    assert!([0, 400].contains(&noise.status));
    assert_eq!(guest.get("/api/meta").status, 200, "the server goes on");
}

#[test]
fn who_is_slow_keeps_nobody_else_from_the_server() {
    let (_folder, path) = small();
    let served = Served::start(&[&path], &[]);
    let guest = Guest::of(&served);
    let slow = (0..150).filter_map(|_| {
        let mut stream = TcpStream::connect(&served.host).ok()?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: ").ok()?;
        Some(stream)
    });
    let slow: Vec<TcpStream> = slow.collect();
    assert!(slow.len() > 100);
    let begun = Instant::now();
    assert_eq!(guest.get("/api/meta").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
