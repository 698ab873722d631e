//! The command as a shell sees it: what goes to which stream, what becomes of files, how it ends.
#![cfg(all(unix, feature = "train"))]

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// A folder with readings, answers and a model of each.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let readings = (0..80).map(|row| {
            let hot = f64::from(row % 2 * 40);
            let wobble = f64::from(row * 7 % 11) / 10.0;
            format!(
                "{:.1},{:.1}\n",
                20.0 + hot + wobble,
                50.0 - hot / 2.0 + wobble
            )
        });
        desk.write("readings.csv", "celsius,percent\n", readings);
        let answers = (0..60).map(|row| {
            let colour = ["red", "green", "blue"][row % 3];
            format!("{colour},{}\n", ["yes", "no"][usize::from(row % 3 == 1)])
        });
        desk.write("answers.csv", "colour,likes\n", answers);
        desk.fit("kmeans", "readings.csv", "clusters.adm");
        desk.fit("latent-class", "answers.csv", "classes.adm");
        desk
    }

    fn write(&self, name: &str, header: &str, rows: impl Iterator<Item = String>) {
        let text: String = rows.collect();
        fs::write(self.path(name), header.to_owned() + &text).unwrap();
    }

    fn fit(&self, family: &str, data: &str, model: &str) {
        let fit = [
            "fit",
            family,
            data,
            "-k",
            "2",
            "--restarts",
            "2",
            "--seed",
            "1",
            "-o",
            model,
        ];
        let output = self.run(fit);
        assert!(output.status.success(), "{}", said(&output));
        assert!(output.stdout.is_empty(), "{}", rows(&output));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autodidact"));
        command
            .current_dir(self.0.path())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Training that would take long. A signal ends it also where the tests run without that one, as behind `nohup`.
    fn train(&self) -> Child {
        let fit = [
            "--default-signal=INT,TERM,HUP",
            env!("CARGO_BIN_EXE_autodidact"),
            "fit",
            "dae",
            "readings.csv",
            "--hidden",
            "32",
            "--epochs",
            "1000000",
            "-o",
            "long.adm",
        ];
        let mut env = Command::new("env");
        env.current_dir(self.0.path())
            .args(fit)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        env.spawn().unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// What went to standard error.
fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What went to standard output.
fn rows(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Commands that print what they were called for.
const PRINTING: [&[&str]; 8] = [
    &["inspect", "clusters.adm"],
    &["eval", "clusters.adm", "readings.csv"],
    &["eval", "clusters.adm", "readings.csv", "--json"],
    &["run", "clusters.adm", "readings.csv"],
    &["query", "classes.adm", "likes | colour=red"],
    &["sample", "classes.adm", "-n", "100000", "--seed", "1"],
    &["sample", "--help"],
    &["--help"],
];

#[test]
fn nobody_reading_on_ends_a_command_quietly() {
    let desk = Desk::new();
    for arguments in PRINTING {
        let mut command = desk.command(arguments.iter().copied());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(
            !said(&output).contains("error"),
            "{arguments:?}: {}",
            said(&output)
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_one_sentence() {
    let desk = Desk::new();
    for arguments in PRINTING {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = desk.command(arguments.iter().copied());
        let output = command
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let last = "error: standard output cannot be written: no storage space\n";
        assert!(
            said(&output).ends_with(last),
            "{arguments:?}: {}",
            said(&output)
        );
    }
}

#[test]
fn rows_alone_go_to_standard_output() {
    let desk = Desk::new();
    let output = desk.run(["sample", "classes.adm", "-n", "3"]);
    let lines: Vec<_> = rows(&output).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0], "colour,likes");
    let seed = said(&output);
    assert!(seed.contains("repeat this run with --seed "), "{seed}");
    let seed = seed
        .split_whitespace()
        .last()
        .unwrap()
        .trim_end_matches(')');
    let again = desk.run(["sample", "classes.adm", "-n", "3", "--seed", seed]);
    assert_eq!(again.stdout, output.stdout);
    assert!(said(&again).is_empty(), "{}", said(&again));
}

#[test]
fn names_that_need_quotes_are_quoted() {
    let desk = Desk::new();
    let rows_of = (0..40).map(|row| format!("{},{}\n", row % 2, ["yes", "no"][row % 2]));
    desk.write("quoted.csv", "\"size, \"\"cm\"\"\",likes\n", rows_of);
    desk.fit("latent-class", "quoted.csv", "quoted.adm");
    let output = desk.run(["sample", "quoted.adm", "-n", "1", "--seed", "1"]);
    assert_eq!(
        rows(&output).lines().next(),
        Some("\"size, \"\"cm\"\"\",likes")
    );
}

#[test]
fn quiet_leaves_errors_alone() {
    let desk = Desk::new();
    let quiet = desk.run([
        "-q",
        "fit",
        "kmeans",
        "readings.csv",
        "-k",
        "2",
        "-o",
        "a.adm",
    ]);
    assert!(quiet.status.success() && quiet.stderr.is_empty() && quiet.stdout.is_empty());
    let error = desk.run(["inspect", "no.adm", "--quiet"]);
    assert_eq!(error.status.code(), Some(1));
    assert!(
        said(&error).starts_with("error: no.adm does not exist"),
        "{}",
        said(&error)
    );
    assert_eq!(said(&error).lines().count(), 1);
}

#[test]
fn a_model_is_there_though_nobody_listens() {
    let desk = Desk::new();
    for family in ["kmeans", "latent-class"] {
        let data = if family == "kmeans" {
            "readings.csv"
        } else {
            "answers.csv"
        };
        let fit = [
            "fit",
            family,
            data,
            "-k",
            "2",
            "--restarts",
            "2",
            "-o",
            "unheard.adm",
        ];
        let mut command = desk.command(fit);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(0), "{family}");
        let inspected = desk.run(["inspect", "unheard.adm"]);
        assert!(inspected.status.success(), "{family}: {}", said(&inspected));
        fs::remove_file(desk.path("unheard.adm")).unwrap();
    }
}

#[test]
fn an_input_is_no_output() {
    let desk = Desk::new();
    symlink("readings.csv", desk.path("link.csv")).unwrap();
    fs::hard_link(desk.path("readings.csv"), desk.path("twin.csv")).unwrap();
    let before = ["readings.csv", "clusters.adm"].map(|name| fs::read(desk.path(name)).unwrap());
    for line in [
        "fit kmeans readings.csv -k 2 -o readings.csv",
        "fit kmeans readings.csv -k 2 -o link.csv",
        "fit kmeans link.csv -k 2 -o ./readings.csv",
        "fit latent-class answers.csv -k 2 -o answers.csv",
        "run clusters.adm readings.csv -o clusters.adm",
        "run clusters.adm readings.csv -o twin.csv",
        "emulate clusters.adm readings.csv --core m4 -o readings.csv",
        "sample clusters.adm --width 1 --png clusters.adm",
    ] {
        let output = desk.run(line.split(' '));
        assert_eq!(output.status.code(), Some(1), "{line}");
        let error = said(&output);
        assert!(
            error.ends_with("give the output another name\n"),
            "{line}: {error}"
        );
        assert_eq!(error.lines().count(), 1, "{line}: {error}");
    }
    let after = ["readings.csv", "clusters.adm"].map(|name| fs::read(desk.path(name)).unwrap());
    assert_eq!(before, after);
}

#[test]
fn outputs_go_behind_links_and_into_pipes_and_devices() {
    let desk = Desk::new();
    symlink("model.adm", desk.path("link.adm")).unwrap();
    desk.fit("kmeans", "readings.csv", "link.adm");
    assert!(
        fs::symlink_metadata(desk.path("link.adm"))
            .unwrap()
            .is_symlink()
    );
    let expected = fs::read(desk.path("model.adm")).unwrap();

    let pipe = desk.path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    desk.fit("kmeans", "readings.csv", "pipe");
    assert_eq!(reader.join().unwrap(), expected);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());

    desk.fit("kmeans", "readings.csv", "/dev/null");
    let device = fs::metadata("/dev/null").unwrap().file_type();
    assert!(device.is_char_device());

    let fit = [
        "fit",
        "kmeans",
        "readings.csv",
        "-k",
        "2",
        "--restarts",
        "2",
        "--seed",
        "1",
        "-o",
    ];
    for name in ["-", "/dev/stdout"] {
        let output = desk.run(fit.into_iter().chain([name]));
        assert_eq!(output.stdout, expected, "{name}: {}", said(&output));
    }
    let csv = desk.run(["run", "clusters.adm", "readings.csv", "-o", "-"]);
    assert_eq!(
        csv.stdout,
        desk.run(["run", "clusters.adm", "readings.csv"]).stdout
    );
}

#[test]
fn a_pipe_is_read_once() {
    let desk = Desk::new();
    let pipe = desk.path("pipe.csv");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let text = fs::read(desk.path("readings.csv")).unwrap();
    let writer = thread::spawn(move || fs::write(pipe, text));
    let output = desk.run(["run", "clusters.adm", "pipe.csv", "-o", "rows.csv"]);
    assert!(output.status.success(), "{}", said(&output));
    writer.join().unwrap().unwrap();
    let from_file = desk.run(["run", "clusters.adm", "readings.csv"]);
    assert_eq!(fs::read(desk.path("rows.csv")).unwrap(), from_file.stdout);
}

#[test]
fn an_output_that_cannot_be_written_shows_before_the_work() {
    let desk = Desk::new();
    for (output, reason) in [
        (
            "missing/a.adm",
            "missing/a.adm cannot be written: there is no folder missing",
        ),
        (".", ". is a folder: give the name of a file in it"),
    ] {
        let fit = [
            "fit",
            "dae",
            "readings.csv",
            "--epochs",
            "1000000",
            "-o",
            output,
        ];
        let failed = desk.run(fit);
        assert_eq!(failed.status.code(), Some(1));
        assert_eq!(said(&failed), format!("error: {reason}\n"));
    }
}

#[test]
fn signals_end_training_and_leave_nothing() {
    let desk = Desk::new();
    fs::write(desk.path("long.adm"), "an earlier one").unwrap();
    let before = desk.names();
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let mut child = desk.train();
        thread::sleep(Duration::from_millis(700));
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &id])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().unwrap().signal(), Some(number), "{name}");
        assert_eq!(desk.names(), before, "{name}");
    }
    assert_eq!(fs::read(desk.path("long.adm")).unwrap(), b"an earlier one");
}

#[test]
fn exit_codes_tell_a_wrong_call_from_a_failure() {
    let desk = Desk::new();
    for (line, code) in [
        ("--version", 0),
        ("inspect clusters.adm", 0),
        ("inspect readings.csv", 1),
        ("inspect", 2),
        ("fit kmeans readings.csv -k 2 --metric l3 -o a.adm", 2),
        ("reflect", 2),
    ] {
        let status = desk.run(line.split(' ')).status;
        assert_eq!(status.code(), Some(code), "{line}");
    }
    assert!(!desk.path("a.adm").exists());
}

#[test]
fn json_is_one_object_on_standard_output() {
    let desk = Desk::new();
    let object = |line: &str| -> serde_json::Value {
        let output = desk.run(line.split(' '));
        assert!(output.status.success(), "{line}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let inspected = object("inspect clusters.adm --json");
    assert_eq!(inspected["parts"][0]["metric"], "euclidean");
    assert_eq!(inspected["provenance"]["seed"], "1");
    let bytes = fs::metadata(desk.path("clusters.adm")).unwrap().len();
    assert_eq!(inspected["bytes"], bytes);
    for line in [
        "fit kmeans readings.csv -k 2 --restarts 2 --seed 7 -o a.adm --json",
        "fit latent-class answers.csv -k 2 --restarts 2 --seed 7 -o a.adm --json",
    ] {
        let fitted = object(line);
        assert_eq!(fitted["seed"], 7);
        assert_eq!(
            fitted["bytes"],
            fs::metadata(desk.path("a.adm")).unwrap().len()
        );
        assert!(
            fitted["training_rows"].is_u64() && fitted["device"].is_object(),
            "{fitted}"
        );
    }
    let both = desk.run("fit kmeans readings.csv -k 2 -o - --json".split(' '));
    assert!(
        said(&both).contains("both go to standard output"),
        "{}",
        said(&both)
    );
    assert!(both.stdout.is_empty());
    let judged = object("eval clusters.adm readings.csv --json");
    assert!(judged["clusters.inertia_per_row"].is_f64(), "{judged}");
    let answer = object("query classes.adm likes|colour=red --json");
    let yes = answer["answers"][0]["probabilities"].clone();
    let shares = yes.as_object().unwrap().values();
    let sum: f64 = shares.map(|share| share.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-3, "{yes}");
}

#[test]
fn shells_and_readers_of_manuals_find_every_command() {
    let desk = Desk::new();
    let script = rows(&desk.run(["completions", "bash"]));
    assert!(script.contains("euclidean manhattan cosine"));
    let page = rows(&desk.run(["man"]));
    assert!(page.contains(".TH autodidact 1"), "{page}");
    assert!(desk.run(["man", "pages"]).status.success());
    let page = fs::read_to_string(desk.path("pages/autodidact-fit-kmeans.1")).unwrap();
    assert!(page.contains("manhattan"), "{page}");
}
