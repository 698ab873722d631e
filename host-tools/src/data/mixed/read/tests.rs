use super::*;
use crate::data::HeldOut;

fn read(source: &str, text: &[u8], options: &MixedOptions) -> Result<MixedTable> {
    super::read(source, text, options, &mut |_| {})
}

const USERS: &str = "interest,age,member,site\n\
    sport,31,yes,pubmed;arxiv\n\
    music,?,no,arxiv\n\
    NA,25.5,,\n\
    sport,40,yes,pubmed\n";

fn table(text: &str) -> MixedTable {
    read("x.csv", text.as_bytes(), &MixedOptions::default()).unwrap()
}

fn message(text: &str, options: &MixedOptions) -> String {
    read("x.csv", text.as_bytes(), options)
        .unwrap_err()
        .to_string()
}

fn list(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

#[test]
fn kinds_follow_from_what_a_column_holds() {
    let table = table(USERS);
    let names: Vec<&str> = table
        .columns()
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["interest", "age", "member", "site=arxiv", "site=pubmed"]
    );
    let interest = Kind::Categorical(vec!["music".into(), "sport".into()]);
    let kinds: Vec<&Kind> = table.columns().iter().map(|column| &column.kind).collect();
    let expected = [
        &interest,
        &Kind::Gaussian,
        &Kind::Bernoulli,
        &Kind::Bernoulli,
        &Kind::Bernoulli,
    ];
    assert_eq!(kinds, expected);
    let shown: Vec<String> = table.iter_rows().map(|row| format!("{row:?}")).collect();
    assert_eq!(
        shown,
        [
            "[1.0, 31.0, 1.0, 1.0, 1.0]",
            "[0.0, NaN, 0.0, 1.0, 0.0]",
            "[NaN, 25.5, NaN, NaN, NaN]",
            "[1.0, 40.0, 1.0, 0.0, 1.0]"
        ]
    );
    let (training, held_out) = table.split(&HeldOut::EVERY_FOURTH).unwrap();
    assert_eq!((training.rows(), held_out.rows()), (3, 1));
    assert_eq!(held_out.columns(), table.columns());
}

#[test]
fn kinds_can_be_declared() {
    let options = MixedOptions {
        categorical: list("age"),
        reading: ReadOptions {
            leave_out: list("4"),
            ..ReadOptions::default()
        },
        ..MixedOptions::default()
    };
    let table = read("x.csv", USERS.as_bytes(), &options).unwrap();
    let levels = ["25.5", "31", "40"].map(str::to_owned).to_vec();
    assert_eq!(table.columns()[1].kind, Kind::Categorical(levels));
    assert_eq!(table.width(), 3);
}

#[test]
fn every_bad_input_is_one_clear_sentence() {
    let none = MixedOptions::default();
    let gaussian = MixedOptions {
        gaussian: list("interest"),
        ..none.clone()
    };
    let bernoulli = MixedOptions {
        bernoulli: list("age"),
        ..none.clone()
    };
    let twice = MixedOptions {
        categorical: list("age"),
        ..bernoulli.clone()
    };
    for (text, options, expected) in [
        ("", &none, "x.csv is empty; give a file with data in it"),
        (
            "a,b\n",
            &none,
            "x.csv has no rows; give a file with data in it",
        ),
        (
            "a,b\n,1\nNA,2\n",
            &none,
            "x.csv, column `a` has no value in any row; leave it out with --label-column a, or declare its kind",
        ),
        (
            "a,b\n1,2\n1\n",
            &none,
            "x.csv, line 3: 1 field where the first line has 2; repair or remove the line",
        ),
        (
            "a\n3\n4\n5o\n",
            &none,
            "x.csv, line 4, column `a`: `5o` is no finite number; correct it, add --missing '5o' if it stands for no value, or read the column as levels with --categorical a",
        ),
        (
            USERS,
            &gaussian,
            "x.csv, line 2, column `interest`: `sport` is no finite number; correct it, add --missing 'sport' if it stands for no value, or read the column as levels with --categorical interest",
        ),
        (
            USERS,
            &bernoulli,
            "x.csv, line 2, column `age`: `31` is neither 0 nor 1, true nor false, yes nor no; correct it, or read the column as levels with --categorical age",
        ),
        (
            USERS,
            &twice,
            "x.csv, column `age` is declared to be of two kinds; keep one",
        ),
    ] {
        assert_eq!(message(text, options), expected, "{text:?}");
    }
    let many: String = (0..257).map(|n| format!("level{n}\n")).collect();
    assert!(message(&format!("name\n{many}"), &none).contains("257 levels"));
}

/// The table, and what was said of it.
fn with(text: &str, options: &MixedOptions) -> (MixedTable, String) {
    let mut said = Vec::new();
    let table = super::read("x.csv", text.as_bytes(), options, &mut |line| {
        said.push(line.to_owned());
    });
    (table.unwrap(), said.join("\n"))
}

fn rows(count: usize, row: impl Fn(usize) -> String) -> String {
    (0..count).map(|at| row(at) + "\n").collect()
}

#[test]
fn what_was_understood_is_said() {
    let (_, said) = with(USERS, &MixedOptions::default());
    assert_eq!(
        said,
        "read x.csv: 4 rows of 5 columns (1 category, 3 yes-or-no columns, 1 number), 4 missing values (2 empty, 1 `?`, 1 `NA`), `,` between fields; first line taken as names: interest, age, member, site"
    );
}

#[test]
fn words_for_missing_values_are_no_levels_unless_they_are_wanted() {
    let text = "mode,x\nidle,1.5\nNone,N/A\nrun,2.5\n#N/A,-\n<NA>,null\nidle,3.25\n";
    let levels = |options: &MixedOptions| match &with(text, options).0.columns()[0].kind {
        Kind::Categorical(levels) => levels.join(" "),
        other => format!("{other:?}"),
    };
    assert_eq!(levels(&MixedOptions::default()), "idle run");
    let mut options = MixedOptions::default();
    options.reading.present = list("none");
    options.reading.missing = list("run");
    assert_eq!(levels(&options), "None idle");
    options.reading.missing = list("1.5");
    let (table, _) = with(text, &options);
    assert!(table.iter_rows().next().unwrap()[1].is_nan());
    let (_, said) = with(
        "pain,x\nnone,1.5\nmild,2\nnone,3\nmild,4\n",
        &MixedOptions::default(),
    );
    assert!(
        said.contains("column `pain`: `none` stands in 2 of 4 rows and is read as missing; --present 'none' makes it a level"),
        "{said}"
    );
    let (table, said) = with("NA,NA\na,1\nb,2\na,3\n", &MixedOptions::default());
    assert_eq!(table.rows(), 4, "{said}");
}

#[test]
fn numbers_are_numbers_however_they_are_written() {
    for (column, first) in [
        (["\"1,044\"", "\"2,356\"", "\"1,065\""], 1044.0),
        (["21.3 °C", "20.8 °C", "22.0 °C"], 21.3),
        (["\"21,3\"", "\"20,8\"", "\"22,0\""], 21.3),
        (["\u{2212}6.1", "-5", "4"], -6.1),
    ] {
        let text = format!("m,x\na,{}\nb,{}\na,{}\n", column[0], column[1], column[2]);
        let (table, said) = with(&text, &MixedOptions::default());
        assert_eq!(table.columns()[1].kind, Kind::Gaussian, "{said}");
        assert_eq!(table.iter_rows().next().unwrap()[1], first);
    }
    let message = message("m,x\na,3 mm\nb,1 cm\n", &MixedOptions::default());
    assert_eq!(
        message,
        "x.csv, column `x` has numbers with units that differ, such as cm and mm; bring them to one, or read it as levels with --categorical x"
    );
}

#[test]
fn slips_are_no_sets_and_texts_are_no_kinds() {
    let slip = rows(20, |at| match at {
        11 => "24;7,a".to_owned(),
        _ => format!("{}.5,b", 20 + at),
    });
    assert_eq!(
        message(&format!("temp,mode\n{slip}"), &MixedOptions::default()),
        "x.csv, line 13, column `temp`: `24;7` is no finite number; correct it, add --missing '24;7' if it stands for no value, or read the column as levels with --categorical temp"
    );
    let serials = rows(30, |at| {
        format!("M-{at},2021-03-{:02},{},{}.25", at + 1, at % 5, at * 7 % 30)
    });
    let text = format!("serial,when,q,temp\n{serials}");
    let (table, said) = with(&text, &MixedOptions::default());
    assert_eq!(table.width(), 4);
    for remark in [
        "column `serial` has 30 levels in 30 rows: it names rows, not kinds of them, and new rows will have others; leave it out with --label-column serial",
        "column `when` has 30 dates or times in 30 rows",
        "whole numbers of few levels are read as numbers: q; --categorical q",
    ] {
        assert!(said.contains(remark), "{said}");
    }
    let (table, _) = with(
        "note,x\n\"leak; slow, \"\"left\"\"\",1.5\nok,2.5\n\"leak; slow, \"\"left\"\"\",3.5\n",
        &MixedOptions::default(),
    );
    assert_eq!(table.width(), 2);
}

const TRAINED: &str = "mode,ok,temp,tags\n\
    idle,yes,19.9,a\n\
    none,no,62.3,a;b\n\
    run,yes,61.6,b;c\n\
    run,no,58.8,b;c\n\
    idle,no,20.4,a\n";

/// New rows read for a model of `TRAINED`, as shown and what was said.
fn for_model(text: &str) -> Result<(String, String)> {
    let mut options = MixedOptions::default();
    options.reading.present = list("none");
    let columns = with(TRAINED, &options).0.columns().to_vec();
    let mut said = Vec::new();
    let table = read_for(
        "new.csv",
        text.as_bytes(),
        &ReadOptions::default(),
        &columns,
        &mut |line| said.push(line.to_owned()),
    )?;
    assert_eq!(table.columns(), columns);
    let rows: Vec<String> = table.iter_rows().map(|row| format!("{row:?}")).collect();
    Ok((rows.join(" "), said.join("\n")))
}

#[test]
fn new_rows_are_of_the_kinds_and_levels_of_the_model() {
    let shown = |text: &str| for_model(text).unwrap().0;
    // One row of one value each tells no kinds.
    assert_eq!(
        shown("mode,ok,temp,tags\nidle,yes,,a\n"),
        "[0.0, 1.0, NaN, 1.0, 0.0, 0.0]"
    );
    assert_eq!(
        shown("mode,ok,temp,tags\n,,21,\n"),
        "[NaN, NaN, 21.0, NaN, NaN, NaN]"
    );
    assert_eq!(
        shown("mode,ok,temp,tags\nidle,1,0,none\nrun,0,1,c;b\n"),
        "[0.0, 1.0, 0.0, 0.0, 0.0, 0.0] [2.0, 0.0, 1.0, 0.0, 1.0, 1.0]"
    );
    // A level of the model is that, though it is a word for a missing value elsewhere.
    assert_eq!(
        shown("mode,ok,temp,tags\nnone,n/a,\"20,5\",a\n"),
        "[1.0, NaN, 20.5, 1.0, 0.0, 0.0]"
    );
    // By name in any order, and by position without names.
    assert_eq!(
        shown("temp,extra,tags,mode,ok\n20.5,x,b,run,no\n"),
        "[2.0, 0.0, 20.5, 0.0, 1.0, 0.0]"
    );
    assert_eq!(shown("run,no,20.5,b\n"), "[2.0, 0.0, 20.5, 0.0, 1.0, 0.0]");
}

#[test]
fn what_a_model_does_not_know_is_missing_and_said() {
    let (rows, said) = for_model("mode,temp,site\nstop,20.5,x\nidle,21.5,y\n").unwrap();
    assert_eq!(
        rows,
        "[NaN, NaN, 20.5, NaN, NaN, NaN] [0.0, NaN, 21.5, NaN, NaN, NaN]"
    );
    for remark in [
        "new.csv: columns left out that the model does not read: site",
        "new.csv: columns of the model that are not there, and missing in every row: ok, tags",
        "new.csv: cells that hold what the model does not know, read as missing: 1, such as `stop`",
    ] {
        assert!(said.contains(remark), "{said}");
    }
    for (text, expected) in [
        (
            "a,b\nx,1.5\n",
            "new.csv has none of the model's columns `mode`, `ok`, `temp`, `tags`; it has `a`, `b`",
        ),
        (
            "idle,yes,1.5\n",
            "new.csv has 3 columns, `column 1`, `column 2`, `column 3`, where the model reads 4, `mode`, `ok`, `temp`, `tags`; give the same columns in the same order",
        ),
        (
            "mode,ok,temp,tags\nidle,maybe,1,a\n",
            "new.csv, line 2, column `ok`: `maybe` is neither yes nor no, which the model takes here; correct it",
        ),
        (
            "mode,ok,temp,tags\nidle,yes,warm,a\n",
            "new.csv, line 2, column `temp`: `warm` is no finite number, which the model takes here; correct it",
        ),
    ] {
        assert_eq!(for_model(text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn categories_written_as_digits_stay_categories() {
    let options = MixedOptions {
        categorical: list("q"),
        ..MixedOptions::default()
    };
    let (trained, _) = with("q,t\n1,31\n2,2\n0,33\n1,4\n", &options);
    let new = read_for(
        "x.csv",
        "q,t\n1,5\n2.0,6\n".as_bytes(),
        &ReadOptions::default(),
        trained.columns(),
        &mut |_| {},
    );
    let rows: Vec<f64> = new.unwrap().iter_rows().flatten().copied().collect();
    assert_eq!(rows, [1.0, 5.0, 2.0, 6.0]);
}

#[test]
fn numbers_in_forms_that_are_not_read_are_named() {
    for (cell, named) in [
        ("1/8", true),
        ("50.3±0.2", true),
        ("t:21.5", true),
        ("\"19.34,50.27\"", true),
        ("18-25", false),
        ("1.2.3", false),
        ("5th", false),
        ("22:30", false),
    ] {
        let text = rows(12, |at| format!("{cell},{at}.5"));
        let (_, said) = with(&format!("a,b\n{text}"), &MixedOptions::default());
        let remark = "looks like numbers in a form that is not read";
        assert_eq!(said.contains(remark), named, "{said}");
    }
    assert_eq!(
        message("a,b\n1e39,1\n2,2\n3,5\n", &MixedOptions::default()),
        "x.csv, line 2, column `a`: `1e39` is too large for a 32-bit float, which ends at 3.4e38; give the column in a larger unit, or leave it out with --label-column a"
    );
}
