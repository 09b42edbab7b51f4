//! Programs that others wrote read what comes out, also several members in a row.
//!
//! A program that this machine does not have is named and passed over, but gzip, which every
//! machine has.

mod common;

use std::io::Write;
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
fn through(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("{program} is not here, so it is not asked");
            return None;
        }
        Err(error) => panic!("{program}: {error}"),
    };
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("it was started");
    let written = writer.join().expect("a write does not panic");
    written.expect("the program reads all of it");
    assert!(output.status.success(), "{program}: {}", output.status);
    Some(output.stdout)
}

#[test]
fn gzip() {
    let (members, plain) = members();
    for member in &members {
        assert_eq!(through("gzip", &["-t"], member).unwrap(), b"");
    }
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
    let source = "\
import java.util.zip.GZIPInputStream;
class Inflate {
    public static void main(String[] arguments) throws Exception {
        new GZIPInputStream(System.in).transferTo(System.out);
        System.out.flush();
    }
}
";
    let directory = std::env::temp_dir().join(format!("sluice-gzip-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("Inflate.java");
    std::fs::write(&file, source).unwrap();
    // A JRE without a compiler cannot run a source; there is nothing to ask then.
    let compiler = Command::new("javac").arg("-version").output();
    if compiler.is_ok_and(|output| output.status.success()) {
        let read = through("java", &[file.to_str().unwrap()], &members.concat());
        assert!(read.unwrap() == plain);
    } else {
        eprintln!("no Java compiler is here, so Java is not asked");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}
