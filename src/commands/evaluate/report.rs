//! The table that `evaluate` prints.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::labels::{Label, is_right, may_act};
use super::reading::{Read, Reading};

/// Mails that are listed by name, of each kind of mistake.
const LISTED_MAX: usize = 200;

/// One mail: what it is, and what it was read as.
pub(super) struct Row {
    pub(super) name: PathBuf,
    pub(super) label: Option<Label>,
    pub(super) read: Read,
    pub(super) took: Duration,
}

/// All mails.
pub(super) struct Report {
    rows: Vec<Row>,
    took: Duration,
}

/// A line of the table: how many of a class and language were read as what.
type Counts = BTreeMap<Reading, usize>;

/// Recall or precision.
struct Measure {
    name: &'static str,
    of: usize,
    right: usize,
}

impl Report {
    pub(super) fn new(rows: Vec<Row>, took: Duration) -> Report {
        Report { rows, took }
    }

    fn table(&self) -> BTreeMap<(&str, &str), Counts> {
        let mut table: BTreeMap<(&str, &str), Counts> = BTreeMap::new();
        for row in &self.rows {
            let label = row.label.as_ref();
            let key = label.map_or(("all", ""), |label| (&label.class, &label.language));
            *table.entry(key).or_default().entry(row.read.reading).or_default() += 1;
        }
        table
    }

    fn wrong(&self) -> impl Iterator<Item = (&Row, &Label)> {
        let labelled = self.rows.iter().filter_map(|row| Some((row, row.label.as_ref()?)));
        labelled.filter(|(row, label)| !is_right(&label.class, row.read.reading))
    }

    fn measures(&self) -> Vec<Measure> {
        let labelled: Vec<(&Label, Reading)> = self
            .rows
            .iter()
            .filter_map(|row| Some((row.label.as_ref()?, row.read.reading)))
            .collect();
        if labelled.is_empty() {
            return Vec::new();
        }
        let measure = |name,
                       all: &dyn Fn(&(&Label, Reading)) -> bool,
                       right: &dyn Fn(&(&Label, Reading)) -> bool| {
            let of: Vec<_> = labelled.iter().filter(|one| all(one)).collect();
            Measure { name, of: of.len(), right: of.iter().filter(|one| right(one)).count() }
        };
        let is = |class: &'static str| move |(label, _): &(&Label, Reading)| label.class == class;
        vec![
            measure(
                "requests found (a case, or shown to staff)",
                &is("deletion_request"),
                &|(_, reading)| reading.is_seen(),
            ),
            measure("requests opened as a case", &is("deletion_request"), &|(_, reading)| {
                *reading == Reading::Case
            }),
            measure(
                "cases that are requests (precision)",
                &|(_, reading)| *reading == Reading::Case,
                &|(label, _)| label.class == "deletion_request",
            ),
            measure("form notifications read", &is("form_notification"), &|(_, reading)| {
                *reading == Reading::FormEntry
            }),
            measure("bounces recognised", &is("bounce"), &|(_, reading)| {
                *reading == Reading::Bounce
            }),
            measure(
                "other mails that nobody is mailed for",
                &|(label, _)| !may_act(&label.class),
                &|(_, reading)| !reading.acts(),
            ),
            measure("all mails read as they should be", &|_| true, &|(label, reading)| {
                is_right(&label.class, *reading)
            }),
        ]
    }

    fn per_second(&self) -> f64 {
        let count = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        f64::from(count) / self.took.as_secs_f64().max(f64::EPSILON)
    }

    pub(super) fn as_json(&self) -> Value {
        let table: Vec<Value> = self
            .table()
            .iter()
            .map(|((class, language), counts)| {
                let counts: BTreeMap<&str, usize> =
                    counts.iter().map(|(reading, count)| (reading.as_str(), *count)).collect();
                json!({ "class": class, "language": language, "read_as": counts })
            })
            .collect();
        let measures: Vec<Value> = self
            .measures()
            .iter()
            .map(|one| json!({ "name": one.name, "of": one.of, "right": one.right }))
            .collect();
        let mails: Vec<Value> = self.rows.iter().map(Row::as_json).collect();
        json!({
            "mails": mails, "table": table, "measures": measures,
            "wrong": self.wrong().count(), "per_second": self.per_second().round(),
        })
    }
}

impl Row {
    fn as_json(&self) -> Value {
        json!({
            "path": self.name.display().to_string(),
            "class": self.label.as_ref().map(|label| &label.class),
            "language": self.label.as_ref().map(|label| &label.language),
            "read_as": self.read.reading.as_str(),
            "reason": self.read.reason,
            "rules": self.read.rules,
            "entered": self.read.entered,
            "milliseconds": self.took.as_secs_f64() * 1000.0,
            "right": self.label.as_ref().map(|label| is_right(&label.class, self.read.reading)),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        let used: Vec<Reading> = Reading::ALL
            .into_iter()
            .filter(|reading| table.values().any(|counts| counts.contains_key(reading)))
            .collect();
        write!(f, "{:<30}", "what it is, and is read as")?;
        for reading in &used {
            write!(f, "{:>12}", reading.as_str())?;
        }
        writeln!(f)?;
        for ((class, language), counts) in &table {
            write!(f, "{:<30}", format!("{class} {language}"))?;
            for reading in &used {
                match counts.get(reading) {
                    Some(count) => write!(f, "{count:>12}")?,
                    None => write!(f, "{:>12}", "·")?,
                }
            }
            writeln!(f)?;
        }
        writeln!(f)?;
        for one in self.measures().iter().filter(|one| one.of > 0) {
            let [of, right] = [one.of, one.right].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
            let percent = f64::from(right) * 100.0 / f64::from(of);
            writeln!(f, "{:<46}{right:>6} of {of:<6}{percent:>7.2} %", one.name)?;
        }
        let wrong: Vec<_> = self.wrong().collect();
        if !wrong.is_empty() {
            writeln!(f, "\nRead as something else than they are:")?;
        }
        for (row, label) in wrong.iter().take(LISTED_MAX) {
            let Read { reading, reason, rules, .. } = &row.read;
            writeln!(
                f,
                "  {} {} → {}: {reason}  {}",
                label.class,
                label.language,
                reading.as_str(),
                row.name.display()
            )?;
            if !rules.is_empty() {
                writeln!(f, "      {}", rules.join(", "))?;
            }
        }
        if wrong.len() > LISTED_MAX {
            writeln!(f, "  … and {} more; --json lists all", wrong.len() - LISTED_MAX)?;
        }
        if table.contains_key(&("all", "")) {
            self.write_what_acts(f)?;
        }
        let longest = self.rows.iter().map(|row| row.took).max().unwrap_or_default();
        writeln!(
            f,
            "\n{} mails, {:.0} a second on one core; the longest took {:.1} ms",
            self.rows.len(),
            self.per_second(),
            longest.as_secs_f64() * 1000.0
        )
    }
}

impl Report {
    /// Without labels: the mails that somebody would be mailed for, or that staff would see.
    fn write_what_acts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nWhat would open a case, or be shown to staff:")?;
        let seen = self.rows.iter().filter(|row| row.read.reading.is_seen());
        for row in seen.take(LISTED_MAX) {
            let Read { reading, reason, .. } = &row.read;
            writeln!(f, "  {}: {reason}  {}", reading.as_str(), row.name.display())?;
        }
        Ok(())
    }
}
