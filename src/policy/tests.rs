//! Questions and answers.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::error::Subject;

fn reading(paths: &[&Path]) -> Rights {
    Rights {
        read: paths.iter().collect(),
        ..Rights::default()
    }
}

fn limited(rights: Rights) -> Policy {
    Policy::limited(rights, Secrets::default(), None)
}

#[track_caller]
fn refusal<T>(result: Result<T>) -> String {
    let error = result.err().expect("it is refused");
    assert_eq!(*error.subject(), Subject::NotPermitted);
    error.to_string()
}

#[test]
fn paths_are_compared_where_they_lead() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for name in ["inside/below", "outside"] {
        fs::create_dir_all(at(name)).expect("made");
    }
    symlink(at("outside"), at("inside/link")).expect("linked");
    symlink(at("outside/missing"), at("inside/dangling")).expect("linked");
    symlink("loop", at("inside/loop")).expect("linked");
    let policy = limited(reading(&[&at("inside")]));
    let ask = |name: &str| policy.ask_path(Access::Read, &at(name));
    for name in [
        "inside",
        "inside/below/new/file",
        "inside/./below/../x",
        "inside/loop",
    ] {
        ask(name).expect(name);
    }
    for name in [
        "outside/x",
        "inside/link/x",
        "inside/dangling",
        "inside/../outside",
        "inside/below/../../outside/x",
        "insidenot",
        "inside/link/../outside",
    ] {
        let said = refusal(ask(name));
        assert!(said.contains("--allow-read=/"), "{name}: {said}");
    }
    refusal(policy.ask_path(Access::Write, &at("inside/x")));
}

#[test]
fn a_file_is_compared_again_when_it_is_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("inside")).expect("made");
    fs::write(at("secret"), "x").expect("written");
    fs::write(at("inside/file"), "x").expect("written");
    symlink(at("secret"), at("inside/link")).expect("linked");
    let policy = limited(reading(&[&at("inside")]));
    let open = |name: &str| {
        let path = at(name);
        let file = std::fs::File::open(&path).expect("it opens");
        confirm(Access::Read, &file, &path)
    };
    acting(&policy, || {
        open("inside/file").expect("it lies inside");
        let error = open("inside/link").expect_err("it leads outside");
        assert!(error.to_string().contains("secret"), "{error}");
        on_own_behalf(|| open("inside/link")).expect("for the program itself");
        let elsewhere = carried(|| open("inside/link").is_err());
        assert!(std::thread::scope(|scope| scope.spawn(elsewhere).join()).expect("it ends"));
    });
    open("inside/link").expect("nobody is limited any more");
}

#[test]
fn servers_are_named_in_several_ways() {
    let mut net = Hosts::default();
    for text in [
        "example.org",
        "store.example:8080",
        "[::1]:9000",
        "s3://bucket",
        "https://tls.example",
    ] {
        net.add(Server::parse(text).expect(text));
    }
    let policy = limited(Rights {
        net,
        ..Rights::default()
    });
    let ask = |address: &str| policy.ask_server(&Server::of_address(address).expect(address));
    for address in [
        "https://example.org/x",
        "http://EXAMPLE.org:99",
        "http://store.example:8080/a",
        "http://[::1]:9000/",
        "s3://bucket/any/thing",
        "https://tls.example:443/x",
    ] {
        ask(address).expect(address);
    }
    for address in [
        "https://example.org.evil.test/",
        "https://sub.example.org/",
        "http://store.example/",
        "http://[::1]/",
        "s3://bucket2/x",
        "https://bucket/",
        "http://tls.example/",
        "https://user:pass@other.example/",
        "http://example.org@evil.test/",
    ] {
        let said = refusal(ask(address));
        assert!(said.contains("--allow-net="), "{said}");
        assert!(!said.contains("pass"), "{said}");
    }
    for text in ["", "a/b", "http://", "user@host", "a b"] {
        assert!(Server::parse(text).is_err(), "{text}");
    }
}

#[test]
fn secrets_stay_secret_whatever_is_granted() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    fs::write(&token, "hf_x").expect("written");
    symlink(&token, folder.path().join("innocent")).expect("linked");
    let policy = Policy::unlimited(Secrets::new(["HF_TOKEN"], [&token]));
    refusal(policy.ask_variable("HF_TOKEN"));
    policy.ask_variable("HOME").expect("no secret");
    for path in [
        token.as_path(),
        &folder.path().join("innocent"),
        Path::new("/proc/self/environ"),
        Path::new("/proc/1/root/proc/2/environ"),
    ] {
        refusal(policy.ask_path(Access::Read, path));
    }
}

#[test]
fn a_library_has_what_it_asks_for_and_is_granted_and_its_user_has() {
    let rights = |paths: &[&str]| Rights {
        read: paths.iter().collect(),
        ..Rights::default()
    };
    let script = limited(rights(&["/a", "/b", "/c"]));
    let library = script.of_library("probes", rights(&["/a", "/b", "/d"]), rights(&["/b", "/c", "/d"]));
    library
        .ask_path(Access::Read, Path::new("/b/x"))
        .expect("all three");
    for (path, part) in [
        ("/a/x", "[permissions.libraries.probes]"),
        ("/c/x", "the saescript.toml of `probes` needs"),
        ("/d/x", "the script may not"),
    ] {
        let said = refusal(library.ask_path(Access::Read, Path::new(path)));
        assert!(said.contains(part), "{said}");
    }
    script.grant(|rights| rights.read.add(Path::new("/d")));
    library
        .ask_path(Access::Read, Path::new("/d/x"))
        .expect("granted meanwhile");
    let both = library.and(&limited(rights(&["/b/y"])));
    both.ask_path(Access::Read, Path::new("/b/y")).expect("both");
    refusal(both.ask_path(Access::Read, Path::new("/b/x")));
}

#[test]
fn who_is_asked_may_allow_once_or_always() {
    let answers = Mutex::new(vec![Answer::Always, Answer::Once, Answer::Never]);
    let prompt = move |access: Access, what: &str, holder: &Holder| {
        assert_eq!((access, holder), (Access::Env, &Holder::Script));
        assert!(!what.is_empty());
        answers
            .lock()
            .expect("one thread")
            .pop()
            .expect("a question too many")
    };
    let policy = Policy::limited(Rights::default(), Secrets::default(), Some(Box::new(prompt)));
    refusal(policy.ask_variable("A"));
    policy.ask_variable("A").expect("once");
    policy.ask_variable("A").expect("always");
    policy.ask_variable("A").expect("without a question");
}
