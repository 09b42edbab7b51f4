//! Programs that others wrote read what comes out, also several members in a row.
//!
//! A program that this machine does not have is named and passed over, but gzip, which every
//! machine has. Java is asked by every JDK there is.

mod common;

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{Random, documents};
use sluice_gzip::{Encoder, Memory};

/// Members of all kinds of content, and what they inflate to together.
fn members() -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut encoder = Encoder::new(Memory::CarriedOver);
    let mut random = Random(1);
    let (logs, repeats) = documents(&mut random, 700_000);
    let bodies = [
        (logs.clone(), repeats),
        (Vec::new(), vec![]),
        (random.bytes(300_000, b""), vec![]),
        (b"short".to_vec(), vec![]),
        (vec![b'a'; 100_000], vec![]),
        (logs, vec![]),
    ];
    let members = bodies.iter().map(|(body, repeats)| {
        let mut member = Vec::new();
        encoder.encode(body, repeats, &mut member);
        member
    });
    (members.collect(), bodies.iter().flat_map(|(body, _)| body).copied().collect())
}

/// What the program writes when it reads `input`, or nothing if it is not here.
fn through(program: impl AsRef<OsStr>, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let program = program.as_ref();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            say(&format!("{} is not here, so it is not asked", program.display()));
            return None;
        }
        Err(error) => panic!("{}: {error}", program.display()),
    };
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it was started");
    let written = writer.join().expect("a write does not panic");
    written.expect("the program reads all of it");
    assert!(output.status.success(), "{}: {}", program.display(), output.status);
    Some(output.stdout)
}

#[test]
fn gzip() {
    let (members, plain) = members();
    for member in &members {
        assert_eq!(through("gzip", &["-t"], member).unwrap(), b"");
    }
    assert_eq!(through("gzip", &["-t"], &members.concat()).unwrap(), b"");
    assert!(through("gzip", &["-dc"], &members.concat()).unwrap() == plain);
}

#[test]
fn python() {
    let (members, plain) = members();
    let program = "\
import sys, zlib
data, out = sys.stdin.buffer.read(), []
while data:
    one = zlib.decompressobj(31)
    out.append(one.decompress(data))
    assert one.eof
    data = one.unused_data
sys.stdout.buffer.write(b''.join(out))
";
    if let Some(read) = through("python3", &["-c", program], &members.concat()) {
        assert!(read == plain);
    }
}

#[test]
fn java() {
    let (members, plain) = members();
    // All at once, as the stream asks what it reads from whether another member follows, and a
    // pipe may have nothing yet.
    let source = "\
import java.io.ByteArrayInputStream;
import java.util.zip.GZIPInputStream;
class Inflate {
    public static void main(String[] arguments) throws Exception {
        var all = new ByteArrayInputStream(System.in.readAllBytes());
        new GZIPInputStream(all).transferTo(System.out);
        System.out.flush();
    }
}
";
    let directory = std::env::temp_dir().join(format!("sluice-gzip-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("Inflate.java");
    std::fs::write(&file, source).unwrap();
    let jdks = jdks();
    if jdks.is_empty() {
        say("no JDK is here, so Java is not asked");
    }
    for jdk in jdks {
        let inflate =
            |input: &[u8]| through(jdk.join("bin/java"), &[file.to_str().unwrap()], input);
        assert!(inflate(&members.concat()).unwrap() == plain, "{}", jdk.display());
        let alone = inflate(&members[0]).unwrap();
        assert!(plain.starts_with(&alone) && !alone.is_empty(), "{}", jdk.display());
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// `$JAVA_HOME`, the `java` on the path, and what lies in `/usr/lib/jvm`, each once. A runtime
/// without a compiler is none, as it cannot run a source.
fn jdks() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // <home>/bin/java, behind the links of Debian's alternatives.
    let on_path = std::env::split_paths(&path).filter_map(|directory| {
        let java = directory.join("java").canonicalize().ok()?;
        Some(java.parent()?.parent()?.to_owned())
    });
    let installed = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    let told = std::env::var_os("JAVA_HOME").map(PathBuf::from);
    let all = told.into_iter().chain(on_path).chain(installed.map(|entry| entry.path()));
    let has_both =
        |home: &PathBuf| home.join("bin/java").exists() && home.join("bin/javac").exists();
    let mut homes: Vec<_> =
        all.filter_map(|home| home.canonicalize().ok()).filter(has_both).collect();
    homes.sort();
    homes.dedup();
    homes
}

/// Not by `eprintln!`, which the test harness keeps to itself unless the test fails.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}
