use super::*;

fn open(text: &str, options: &ReadOptions) -> Result<(Table, Vec<String>)> {
    let mut rows = NumberRows::open("x.csv", text.as_bytes(), options)?;
    let values = rows.next_rows(usize::MAX)?;
    let table = Table::new("x.csv", rows.columns().to_vec(), values)?.with_decimal(rows.decimal());
    let mut said = Vec::new();
    rows.tell(Some(table.rows()), &mut |line| said.push(line.to_owned()));
    Ok((table, said))
}

fn read(text: &str) -> Table {
    match open(text, &ReadOptions::default()) {
        Ok((table, _)) => table,
        Err(error) => panic!("{text:?}: {error}"),
    }
}

fn said(text: &str) -> String {
    open(text, &ReadOptions::default()).unwrap().1.join("\n")
}

fn message_of(text: &str, options: &ReadOptions) -> String {
    open(text, options).unwrap_err().to_string()
}

fn message(text: &str) -> String {
    message_of(text, &ReadOptions::default())
}

fn rows(count: usize, row: impl Fn(usize) -> String) -> String {
    (0..count).map(|at| row(at) + "\n").collect()
}

#[test]
fn a_header_is_optional() {
    let with = read("a,b\n1,2\n");
    assert_eq!(with.columns(), ["a", "b"]);
    assert!(with.has_names());
    let without = read("1,2\n");
    assert_eq!(without.columns(), ["column 1", "column 2"]);
    assert!(!without.has_names());
    assert_eq!(with.values(), without.values());
    let options = ReadOptions {
        header: Some(true),
        ..ReadOptions::default()
    };
    let (forced, said) = open("1,2\n3,4\n", &options).unwrap();
    assert_eq!(forced.columns(), ["1", "2"]);
    assert_eq!(
        said,
        ["read x.csv: 1 row of 2 columns, `,` between fields; first line taken as names: 1, 2"]
    );
}

#[test]
fn delimiters_blanks_comments_and_line_ends_are_understood() {
    for text in [
        "1,2\n3,4\n",
        "1;2\n3;4\n",
        "1\t2\r\n3\t4",
        "1|2\n3|4\n",
        "  1   2\n  3   4  \n",
        "1 \t2\n3\t 4\n",
        "1,2\r3,4\r",
        "# made by hand\n 1 , 2 \n\n3, 4e0\n",
        "\u{feff}1,2\n3,4\n",
        "\u{feff}# logger A, site 3, firmware 1,2\n1;2\n3;4\n",
        "\"1\",\"2\"\n3,4\n",
        "sep=;\n1;2\n3;4\n",
        "\u{feff}\"sep=,\"\r\n1,2\r\n3,4\r\n",
        "\n   \n1,2\n\n \t \n3,4\n   \n\n",
        "1,2,\n3,4,\n",
        "a;b;;\n1;2;;\n3;4;;\n",
        "a,b\n1,2,\n3,4,\n",
        "\"a\r\nb\",\"c, d\"\n1,2\n3,4\n",
    ] {
        assert_eq!(read(text).values(), [1.0, 2.0, 3.0, 4.0], "{text:?}");
    }
}

#[test]
fn a_decimal_comma_is_read_wherever_a_field_may_hold_one() {
    for text in [
        "t;x\r\n21,5;-0,25\r\n20;1.204,5\r\n",
        "21,5;-0,25\n20;1.204,5\n",
        "21,5\t-0,25\n20\t1 204,5\n",
        "21,5   -0,25\n20     1.204,5\n",
        "t x\n21,5 -0,25\n20 1204,5\n",
        "\"t\",\"x\"\n\"21,5\",\"-0,25\"\n\"20,0\",\"1204,5\"\n",
        "21,5|-0,25\n20,|1'204,5\n",
    ] {
        assert_eq!(read(text).values(), [21.5, -0.25, 20.0, 1204.5], "{text:?}");
    }
    assert_eq!(read("t\n21,5\n20,3\n").values(), [21.5, 20.3]);
    assert_eq!(
        read("25,03\n21,05\n20,13\n").values(),
        [25.03, 21.05, 20.13]
    );
    let said = said("25,03\n21,05\n");
    assert!(
        said.contains("2 rows of 1 column, one field a line, decimal comma"),
        "{said}"
    );
    // These may as well be two columns.
    assert_eq!(read("25,3\n21,5\n").width(), 2);
    let comma = ReadOptions {
        decimal: Some(Decimal::Comma),
        ..ReadOptions::default()
    };
    assert_eq!(
        open("25,3\n21,5\n", &comma).unwrap().0.values(),
        [25.3, 21.5]
    );
}

#[test]
fn a_comma_that_may_mean_either_is_asked_about_unless_it_stood_in_quotes() {
    let text = "1,204;7\n2,356;8\n";
    assert_eq!(
        message(text),
        "x.csv, line 1, column `column 1`: `1,204` may have a decimal comma or a comma between thousands; say which with --decimal , or --decimal ."
    );
    for (decimal, values) in [
        (Decimal::Comma, [1.204, 7.0, 2.356, 8.0]),
        (Decimal::Point, [1204.0, 7.0, 2356.0, 8.0]),
    ] {
        let options = ReadOptions {
            decimal: Some(decimal),
            ..ReadOptions::default()
        };
        assert_eq!(open(text, &options).unwrap().0.values(), values);
    }
    let quoted = "n,x\n\"1,204\",0.5\n\"2,356\",0.25\n";
    assert_eq!(read(quoted).values(), [1204.0, 0.5, 2356.0, 0.25]);
    assert!(said(quoted).contains("column `n`: `1,204` is read as 1204; --decimal ,"));
    // Other columns tell.
    assert_eq!(
        read("1,204;7.5\n2,356;8.25\n").values(),
        [1204.0, 7.5, 2356.0, 8.25]
    );
    assert_eq!(
        read("1,204;7,5\n2,356;8,25\n").values(),
        [1.204, 7.5, 2.356, 8.25]
    );
}

#[test]
fn a_rare_semicolon_does_not_separate_and_consistent_ones_do() {
    assert_eq!(
        message("a,b\n1,2\n3,4;7\n5,6\n"),
        "x.csv, line 3, column `b`: `4;7` is not a number; correct it, remove the line, or leave the column out with --label-column b"
    );
    let sets = "name,tags\nx,a;b\ny,c;d\n";
    assert!(message(sets).contains("column `name`"), "{}", message(sets));
    let forced = ReadOptions {
        delimiter: Some(Delimiter::Byte(b';')),
        ..ReadOptions::default()
    };
    assert!(message_of("1;2\n3,x;4\n", &forced).contains("`3,x`"));
}

#[test]
fn first_lines_that_are_numbers_are_told_from_rows() {
    let noise = |at: usize, column: usize| ((at * 7 + column * 3) % 11) as f32 / 8.0 - 0.5;
    let data = rows(12, |at| {
        format!("{},{},{}", noise(at, 0), noise(at, 1), noise(at, 2))
    });
    for (first, names) in [
        ("0,1,2", true),
        ("1,2,3", true),
        ("400.5,450.5,500.5", true),
        ("time,0,1", true),
        ("0.25,0.5,0.75", false),
        (",,", false),
        ("NA,NA,NA", false),
        ("nan,nan,nan", false),
        ("---,---,---", false),
    ] {
        let options = ReadOptions::default();
        let text = format!("{first}\n{data}");
        let rows = NumberRows::open("x.csv", text.as_bytes(), &options);
        assert_eq!(rows.unwrap().text.layout.has_names, names, "{first}");
    }
    for text in [
        "1,2,3\n4,5,6\n7,8,9\n",
        "0,1\n1,0\n1,1\n0,1\n",
        "1,2\n3,4\n5,6\n7,8\n9,10\n",
        "0,1,2\n2,1,0\n0,1,2\n",
        "0\n1\n2\n3\n",
    ] {
        assert!(!read(text).has_names(), "{text:?}");
    }
    assert!(read("0,1,2\n1,2,3\n2,3,4\n4,5,7\n3,4,1\n").has_names());
    let text = format!("0,1,2\n{data}");
    assert_eq!(
        said(&text),
        "read x.csv: 12 rows of 3 columns, `,` between fields; first line taken as names: 0, 1, 2 (--no-header reads it as data)"
    );
    let no_header = ReadOptions {
        header: Some(false),
        ..ReadOptions::default()
    };
    assert_eq!(open(&text, &no_header).unwrap().0.rows(), 13);
}

#[test]
fn marks_before_the_table_are_comments_or_names() {
    let named = read("# logger A\n# temp,rpm\n1,2\n3,4\n");
    assert_eq!(named.columns(), ["temp", "rpm"]);
    assert_eq!(named.rows(), 2);
    assert_eq!(read("# temp hum\n1 2\n3 4\n").columns(), ["temp", "hum"]);
    assert_eq!(
        read("#,temp_C\n7,20.5\n9,19.8\n").columns(),
        ["#", "temp_C"]
    );
    assert_eq!(read("#,temp_C\n7,20.5\n9,19.8\n").rows(), 2);
    assert_eq!(read("#made,by me\na,b\n1,2\n3,4\n").columns(), ["a", "b"]);
    let said = said("# made\n# by hand\na,b\n1,2\n3,4\n");
    assert!(
        said.contains("x.csv: 2 of the lines 1 to 2 begin with `#` and are left out"),
        "{said}"
    );
    assert!(said.contains("; line 3 taken as names: a, b"), "{said}");
    assert_eq!(read("% made\n% by hand\n1 2\n3 4\n").rows(), 2);
    assert_eq!(
        read("// made by hand\na,b\n1,2\n3,4\n").columns(),
        ["a", "b"]
    );
    assert_eq!(read("%,b\n1,2\n3,4\n").columns(), ["%", "b"]);
    assert!(message("| a | b |\n|---|---:|\n| 1 | 2 |\n").contains("Markdown"));
    assert_eq!(
        message("a,b\n1,2\n# broken\n3,4\n5,6\n"),
        "x.csv, line 3: 1 field where the first line has 2; if it is a comment, give --comment '#'"
    );
    let comment = ReadOptions {
        comment: Some("#".into()),
        ..ReadOptions::default()
    };
    let commented = open("a,b\n1,2\n  # a \"comment\n3,4\n", &comment)
        .unwrap()
        .0;
    assert_eq!(commented.values(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(
        message("t,x\n1,2\n#N/A,4\n5,6\n"),
        "x.csv, line 3, column `t`: `#N/A` is a missing value; fill in a number, remove the row, or leave the column out with --label-column t"
    );
    assert!(message("#N/A,4\n5,6\n").contains("line 1"));
}

#[test]
fn what_stands_around_a_table_is_named_or_left_out() {
    let table = "1.5,2\n3.5,4\n5.5,6\n";
    assert_eq!(
        message(&format!("a logger of 2024\nt,x\n{table}")),
        "x.csv, line 1: 1 field where most other lines have 2; name every column, or remove the line if it is none of the table"
    );
    assert_eq!(
        message("x,y\n8,1,2\n7,3,4\n9,5,6\n"),
        "x.csv, line 1: 2 fields where most other lines have 3; name every column, or remove the line if it is none of the table"
    );
    let units = format!("t,x\n°C,%\n{table}");
    assert_eq!(read(&units).rows(), 3);
    assert!(
        said(&units)
            .contains("line 2 has no number in any column and is left out, as units: °C, %")
    );
    let ends = format!("t,x\n{table},\n,\n\n");
    assert_eq!(read(&ends).rows(), 3);
    assert!(said(&ends).contains("lines of empty fields at the end are left out: 2"));
    assert_eq!(
        message(&format!("t,x\n{table},\n,\n7.5,8\n")),
        "x.csv, line 5, column `t`: the field is empty; fill in a number or remove the row"
    );
    for (end, what) in [("\0\0\0\0\0\0\0\0\n", "NUL bytes"), ("\u{1a}", "(Ctrl-Z)")] {
        let text = format!("t,x\n{table}{end}");
        assert_eq!(read(&text).rows(), 3);
        assert!(said(&text).contains(what), "{}", said(&text));
    }
    assert!(message("a,b\n1,2\n3\0,4\n").contains("holds NUL bytes"));
    let named = "Name,a,b\nUnits,,V\nr1,1.5,2\nr2,3.5,4\n";
    let left_out = ReadOptions {
        leave_out: vec!["Name".into()],
        ..ReadOptions::default()
    };
    assert_eq!(open(named, &left_out).unwrap().0.rows(), 2);
    assert!(message("Name,a,b\nr0,x,V\nr1,1.5,2\nr2,3.5,4\n").contains("line 2"));
}

#[test]
fn a_text_column_can_be_left_out() {
    let leave_out = |name: &str| ReadOptions {
        leave_out: vec![name.to_owned()],
        ..ReadOptions::default()
    };
    let (table, _) = open("a,kind,b\n1,cat,2\n3,dog,4\n", &leave_out("kind")).unwrap();
    assert_eq!(table.columns(), ["a", "b"]);
    assert_eq!(table.values(), [1.0, 2.0, 3.0, 4.0]);
    let (by_number, _) = open("1,cat\n3,dog\n", &leave_out("2")).unwrap();
    assert_eq!(by_number.values(), [1.0, 3.0]);
}

#[test]
fn numbers_of_the_row_are_left_out_or_named() {
    let text = rows(5, |at| format!("{at},{}", (at * 7 % 5) as f32 / 2.0));
    let (table, said) = open(&format!(",ax\n{text}"), &ReadOptions::default()).unwrap();
    assert_eq!(table.columns(), ["ax"]);
    assert!(
        said[1].contains("the first column has no name and counts the rows"),
        "{said:?}"
    );
    let (table, said) = open(&format!("id,ax\n{text}"), &ReadOptions::default()).unwrap();
    assert_eq!(table.width(), 2);
    assert!(said[1].contains("--label-column id"), "{said:?}");
}

#[test]
fn names_of_rows_that_have_no_name_themselves_are_left_out() {
    for text in [
        "a b\n1 1.5 2\n2 3.5 4\n3 5.5 6\n",
        "\"a\" \"b\"\n\"1\" 1.5 2\n\"2\" 3.5 4\n\"7\" 5.5 6\n",
        "a b\n\"Car 1\" 1.5 2\n\"Car 2 RX\" 3.5 4\nBus 5.5 6\n",
        "a\tb\n1\t1.5\t2\n2\t3.5\t4\n3\t5.5\t6\n",
        "a,b\nx,1.5,2\ny,3.5,4\nz,5.5,6\n",
    ] {
        let table = read(text);
        assert_eq!(table.columns(), ["a", "b"], "{text:?}");
        assert_eq!(table.values(), [1.5, 2.0, 3.5, 4.0, 5.5, 6.0], "{text:?}");
        let said = said(text);
        assert!(said.contains("the first line has one name fewer"), "{said}");
    }
    assert_eq!(read("t\n20,3\n21,5\n").values(), [20.3, 21.5]);
    assert!(message("a logger\n1,2,3\n2,3,4\n3,4,5\n4,5,6\n").contains("line 1"));
}

#[test]
fn points_between_thousands_are_named() {
    let text = "p;q\n1.917;48622\n20;47247\n1.989;47292\n";
    assert!(
        said(text)
            .contains("column `p`: `1.917` is read as a fraction; --decimal , reads it as 1917"),
        "{}",
        said(text)
    );
    for text in [
        "p;q\n1.917;4\n20.25;5\n1.989;6\n",
        "p;q\n1.917;4\n20.250;5\n1.989;6\n",
        "p;q\n0.917;4\n20;5\n1.989;6\n",
        "p,q\n1.917,4\n20,5\n1.989,7\n",
    ] {
        assert!(!said(text).contains("fraction"), "{}", said(text));
    }
}

#[test]
fn a_text_that_tells_no_decimal_character_has_that_of_the_model() {
    let options = ReadOptions {
        usual_decimal: Some(Decimal::Comma),
        ..ReadOptions::default()
    };
    let (table, said) = open("p;q\n1.201;1,546\n1.300;1,204\n", &options).unwrap();
    assert_eq!(table.values(), [1201.0, 1.546, 1300.0, 1.204]);
    assert_eq!(table.decimal(), Decimal::Comma);
    assert_eq!(
        said[1],
        "x.csv: no number tells the decimal character; it is that of the model's data, so that `1.201` is 1201; --decimal says otherwise"
    );
    for text in ["p;q\n1.25;2\n", "p;q\n1;2\n", "p,q\n1.201,2\n"] {
        let aided = open(text, &options).unwrap();
        let unaided = open(text, &ReadOptions::default()).unwrap();
        assert_eq!(aided.0.values(), unaided.0.values());
        assert!(!aided.1.join("\n").contains("no number tells"));
    }
}

#[test]
fn quotes_within_a_field_are_a_part_of_it() {
    let names = read("\"a\" \"b\",c\n1,2\n").columns().to_vec();
    assert_eq!(names, ["a\" \"b", "c"]);
    assert_eq!(read("a,b\n=\"1.5\",=\"2\"\n").values(), [1.5, 2.0]);
    assert_eq!(
        read("a,b\n\u{a0}1.5\u{2009},\u{3000}2\u{a0}\n").values(),
        [1.5, 2.0]
    );
    assert_eq!(
        read("a, b\n19,5, 50,25\n20,5, 51,75\n").values(),
        [19.5, 50.25, 20.5, 51.75]
    );
}

#[test]
fn columns_called_alike_are_told_apart() {
    let text = "x,y,x\n1,2,3\n4,5,6\n";
    assert_eq!(read(text).columns(), ["x", "y", "x.2"]);
    assert!(said(text).contains("columns 1 and 3 are both called `x`; the second is `x.2` here"));
}

#[test]
fn units_truth_values_hexadecimals_and_signs_are_read_and_said() {
    let text = "t,h,on,id\n21.3 °C,38 %,True,0x10\n\u{2212}4 °C,40 %,no,0x1F\n";
    assert_eq!(
        read(text).values(),
        [21.3, 38.0, 1.0, 16.0, -4.0, 40.0, 0.0, 31.0]
    );
    let said = said(text);
    for remark in [
        "column `t`: the unit °C is left off",
        "column `h`: the unit % is left off",
        "column `id`: digits behind `0x` are read as whole numbers",
        "true or yes is read as 1, false or no as 0: on",
    ] {
        assert!(said.contains(remark), "{said}");
    }
    assert_eq!(
        message("t\n21.3 °C\n70 °F\n22 °C\n"),
        "x.csv, line 2, column `t`: `21.3 °C`: the column has units that differ, such as °C and °F; bring it to one"
    );
    assert_eq!(
        message("t\n21.3 V\n22 V\n23\n"),
        "x.csv, line 4, column `t`: `23` is no number with the unit V as the others are; correct it"
    );
}

#[test]
fn columns_are_found_by_the_names_of_a_model_or_by_position() {
    let model = |names: &[&str]| ReadOptions {
        columns: Some(names.iter().map(|&name| name.to_owned()).collect()),
        ..ReadOptions::default()
    };
    let abc = model(&["a", "b", "c"]);
    let (table, said) = open("c,kind,a,b\n3,cat,1,2\n6,dog,4,5\n", &abc).unwrap();
    assert_eq!(table.columns(), ["a", "b", "c"]);
    assert_eq!(table.values(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(
        said[1],
        "x.csv: columns left out that the model does not read: kind"
    );
    let strict = ReadOptions {
        refuse_extra: true,
        ..abc.clone()
    };
    assert_eq!(
        message_of("c,kind,a,b\n3,cat,1,2\n", &strict),
        "x.csv has columns that the model does not read: kind; remove them, or name them with --label-column"
    );
    assert_eq!(
        message_of("a,b,d\n1,2,3\n", &abc),
        "x.csv has no column `c`, which the model reads; it has `a`, `b`, `d`; rename them, or remove the line of names to read columns by their position"
    );
    let (table, said) = open("1,2,3\n4,5,6\n", &abc).unwrap();
    assert_eq!(table.columns(), ["a", "b", "c"]);
    assert_eq!(
        said[1],
        "x.csv: columns are taken by their position, as the file has no names of them"
    );
    assert_eq!(
        message_of("1,2\n4,5\n", &abc),
        "x.csv has 2 columns, `column 1`, `column 2`, where the model reads 3, `a`, `b`, `c`; give the same columns in the same order"
    );
    assert_eq!(
        message_of("1,2,3,k\n4,5,6,k\n", &abc),
        "x.csv has 4 columns, `column 1`, `column 2`, `column 3`, `column 4`, where the model reads 3, `a`, `b`, `c`; leave out those that it does not read with --label-column and their number, as at the fit"
    );
    let numbered = model(&["column 1", "column 2"]);
    let (table, said) = open("x,y\n1,2\n", &numbered).unwrap();
    assert_eq!(table.columns(), ["column 1", "column 2"]);
    assert!(said[1].ends_with("as the model has no names of them"));
    // Names that are numbers are names where the model has them.
    let wavelengths = model(&["400", "450"]);
    assert_eq!(
        open("450,400\n1,2\n", &wavelengths).unwrap().0.values(),
        [2.0, 1.0]
    );
}

#[test]
fn constants_are_subtracted_before_rounding() {
    let options = ReadOptions {
        offset: vec![("t".into(), 1.7e9)],
        ..ReadOptions::default()
    };
    let text = "t,x\n1700000001,1.5\n1700000002,2.5\n";
    let (table, _) = open(text, &options).unwrap();
    assert_eq!(table.values(), [1.0, 1.5, 2.0, 2.5]);
    assert!(
        message(text).contains("seconds since 1970"),
        "{}",
        message(text)
    );
}

#[test]
fn every_bad_input_is_one_clear_sentence() {
    for (text, expected) in [
        ("", "x.csv is empty; give a file with data in it"),
        (" \n\n", "x.csv is empty; give a file with data in it"),
        ("a,b\n", "x.csv has no rows; give a file with data in it"),
        (
            "a,b\n1,2\n3\n",
            "x.csv, line 3: 1 field where the first line has 2; repair or remove the line",
        ),
        (
            "a,b\r\n\r\n1,2\r\n\r\n3\r\n",
            "x.csv, line 5: 1 field where the first line has 2; repair or remove the line",
        ),
        (
            "a,b\n1,2\n3,4,5\n6,7\n",
            "x.csv, line 3: 3 fields where the first line has 2; repair or remove the line",
        ),
        (
            "a,b\n1,2\n3,4\n5,6\nSum: 9\n",
            "x.csv, line 5: 1 field where the first line has 2; repair or remove the line",
        ),
        (
            "\"a\n\n\",b\n1,2\n3,four\n",
            "x.csv, line 5, column `b`: `four` is not a number; correct it, or leave the column out with --label-column b",
        ),
        (
            "a,b\r1,x\r3,4\r",
            "x.csv, line 2, column `b`: `x` is not a number; correct it, or leave the column out with --label-column b",
        ),
        (
            "a,b\n1,2\n\n\n3,x\n",
            "x.csv, line 5, column `b`: `x` is not a number; correct it, or leave the column out with --label-column b",
        ),
        (
            "1,2\n3,\n",
            "x.csv, line 2, column `column 2`: the field is empty; fill in a number or remove the row",
        ),
        (
            "1,2\n3,NaN\n",
            "x.csv, line 2, column `column 2`: `NaN` is a missing value; fill in a number, remove the row, or leave the column out with --label-column 2",
        ),
        (
            "1,2\n-inf,3\n",
            "x.csv, line 2, column `column 1`: `-inf` is not a finite number; fill in the value or remove the row",
        ),
        (
            "1,2\n1e99,3\n",
            "x.csv, line 2, column `column 1`: `1e99` is too large for a 32-bit float, which ends at 3.4e38; give the column in a larger unit, or leave it out with --label-column 1",
        ),
        (
            "t\n21.5\nx\n22.5\n",
            "x.csv, line 3, column `t`: `x` is not a number; correct it or remove the line",
        ),
        (
            "12:00 -> 1.5\n12:01 -> 2.5\n12:02 -> 3.5 ok\n",
            "x.csv, line 2, column `12:00 -> 1.5`: `12:01 -> 2.5` is not a number; nothing stands between fields equally often in all lines: repair them, or say what does with --delimiter",
        ),
        (
            "a,b\n1,t:2\n3,t:4\n5,t:6\n",
            "x.csv, line 2, column `b`: `t:2` is a name and a number; write the names once, in the first line, and numbers alone below",
        ),
        (
            "a,b\n1,1/8\n3,2/8\n",
            "x.csv, line 2, column `b`: `1/8` is no number in a form that is read, such as 21.5 or -2.15e1; write one number a cell, or leave the column out with --label-column b",
        ),
        (
            "a,b\n1.5,2.5\n1,5;2\n",
            "x.csv, line 3, column `b`: `5;2` is not a number; correct it, or leave the column out with --label-column b",
        ),
        (
            "time,x\n2023-11-14T22:00:00Z,1\n2023-11-14T22:00:01Z,2\n",
            "x.csv, line 2, column `time`: `2023-11-14T22:00:00Z` is a date or a time, not a number; leave the column out with --label-column time",
        ),
        (
            "a;b\n1,5;2\n1.5;2\n2,5;1\n",
            "x.csv, line 3, column `a`: `1.5` is not a number, as the others have a decimal comma; correct it, or say which with --decimal",
        ),
        (
            "a,b\n1,2\n\"3,4\n5,6\n",
            "x.csv, line 3: the quotation mark that opens here is never closed; close it, or remove it",
        ),
        (
            "\u{0}a\u{0},\u{0}b\u{0}\n",
            "x.csv is no UTF-8: it looks like UTF-16; save it as CSV in UTF-8",
        ),
    ] {
        assert_eq!(message(text), expected, "{text:?}");
    }
    let long = format!("a,b\n1,{}\n", "x".repeat(5000));
    assert!(message(&long).len() < 200, "{}", message(&long));
    let bytes: &[u8] = b"1,2\r\n3,\xff\r\n";
    let error = NumberRows::open("x.csv", bytes, &ReadOptions::default()).err();
    assert_eq!(
        error.unwrap().to_string(),
        "x.csv, line 2: the text is not UTF-8; save the file as UTF-8"
    );
}
