//! Templates: Markdown letters with their subject in front, HTML pages. All are tried with
//! every variable before the first one is used.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior};

use super::words::Words;
use super::{markdown, samples};
use crate::case::LetterKind;

/// A checked set of templates.
#[derive(Clone, Debug)]
pub struct Templates {
    environment: Environment<'static>,
    words: BTreeMap<String, Words>,
}

/// The language that every letter and page exists in.
pub const ENGLISH: &str = "en";

/// A template that cannot be used: which file, which line, why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("templates/{file}{}: {reason}", line.map(|n| format!(", line {n}")).unwrap_or_default())]
pub struct TemplateProblem {
    /// Path below the templates folder.
    pub file: String,
    /// Where in it.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// A letter as rendered, before it becomes a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// Markdown.
    pub body: String,
}

/// Name under which the subject of a letter is kept beside its body.
const SUBJECT: &str = "#subject";

impl Templates {
    /// Takes templates as paths below the folder with their text, and tries each.
    ///
    /// # Errors
    /// The first [`TemplateProblem`]: a letter or page that is missing, bad syntax, no
    /// subject, a variable that nobody fills.
    pub fn load<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Templates, TemplateProblem> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.unwrap_or_default());
        environment.set_auto_escape_callback(|name| match name {
            name if name.ends_with(".html") => AutoEscape::Html,
            name if name.ends_with(".md") => AutoEscape::Custom("markdown".into()),
            _ => AutoEscape::None,
        });
        environment.set_formatter(format_value);
        environment.add_filter("code", code);
        environment.add_filter("with_code", with_code);
        environment.add_filter("lines", lines);
        let mut words = BTreeMap::new();
        for (path, text) in files {
            match path.strip_suffix("/words.toml") {
                Some(language) => {
                    let loaded = Words::load(text).map_err(|reason| TemplateProblem {
                        file: path.to_owned(),
                        line: None,
                        reason,
                    })?;
                    words.insert(language.to_owned(), loaded);
                }
                None => add(&mut environment, path, text)?,
            }
        }
        let templates = Templates { environment, words };
        templates.words_of(ENGLISH)?;
        templates.try_letters()?;
        templates.try_pages()?;
        Ok(templates)
    }

    /// The languages that requesters can be answered in, with their own names.
    pub fn languages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.words.iter().map(|(code, words)| (code.as_str(), words.language.as_str()))
    }

    /// Whether there are letters in that language.
    pub fn speaks(&self, language: &str) -> bool {
        self.words.contains_key(language)
    }

    /// The words of a language, or those of English.
    ///
    /// # Errors
    /// When there are none in English either; the check at the start sees that there are.
    pub fn words_of(&self, language: &str) -> Result<&Words, TemplateProblem> {
        self.words.get(language).or_else(|| self.words.get(ENGLISH)).ok_or(TemplateProblem {
            file: format!("{ENGLISH}/words.toml"),
            line: None,
            reason: "it is missing".to_owned(),
        })
    }

    /// The language to use for what is wanted: staff, and whoever speaks another one, get
    /// English.
    fn language_for<'a>(&self, language: &'a str, is_for_staff: bool) -> &'a str {
        if is_for_staff || !self.speaks(language) { ENGLISH } else { language }
    }

    /// Renders a letter in a language.
    ///
    /// # Errors
    /// In words, when a value is missing; the check at the start makes that a defect of ours.
    pub fn letter(
        &self,
        language: &str,
        kind: LetterKind,
        values: &Value,
    ) -> Result<Rendered, TemplateProblem> {
        let language = self.language_for(language, kind.is_for_staff());
        let path = format!("{language}/{}.md", kind.as_str());
        let subject = self.render(&format!("{path}{SUBJECT}"), values)?;
        let body = self.render(&path, values)?;
        Ok(Rendered { subject: subject.split_whitespace().collect::<Vec<_>>().join(" "), body })
    }

    /// Renders a page in a language.
    ///
    /// # Errors
    /// As [`Templates::letter`].
    pub fn page(
        &self,
        language: &str,
        page: &str,
        values: &Value,
    ) -> Result<String, TemplateProblem> {
        let language = self.language_for(language, page.starts_with("staff-"));
        self.render(&format!("{language}/pages/{page}.html"), values)
    }

    fn render(&self, path: &str, values: &Value) -> Result<String, TemplateProblem> {
        let template = self.environment.get_template(path).map_err(|why| problem(path, &why))?;
        template.render(values.clone()).map_err(|why| problem(path, &why))
    }

    fn try_letters(&self) -> Result<(), TemplateProblem> {
        for kind in LetterKind::ALL {
            for sample in samples::letter(*kind) {
                for language in self.tried_languages(kind.is_for_staff()) {
                    self.letter(language, *kind, &sample)?;
                    let path = format!("{language}/{}.md", kind.as_str());
                    self.refuse_unknown_names(&path, &sample)?;
                    self.refuse_unknown_names(&format!("{path}{SUBJECT}"), &sample)?;
                }
            }
        }
        Ok(())
    }

    fn try_pages(&self) -> Result<(), TemplateProblem> {
        for page in samples::PAGES {
            for sample in samples::page(page) {
                for language in self.tried_languages(page.starts_with("staff-")) {
                    self.page(language, page, &sample)?;
                    self.refuse_unknown_names(&format!("{language}/pages/{page}.html"), &sample)?;
                }
            }
        }
        Ok(())
    }

    fn tried_languages(&self, is_for_staff: bool) -> Vec<&str> {
        match is_for_staff {
            true => vec![ENGLISH],
            false => self.words.keys().map(String::as_str).collect(),
        }
    }

    /// A branch that no sample takes may still name a variable that nobody fills.
    fn refuse_unknown_names(&self, path: &str, sample: &Value) -> Result<(), TemplateProblem> {
        let template = self.environment.get_template(path).map_err(|why| problem(path, &why))?;
        let known: BTreeSet<String> = sample
            .try_iter()
            .map(|keys| keys.map(|key| key.to_string()).collect())
            .unwrap_or_default();
        let globals = ["range", "dict", "namespace", "debug", "super", "self", "loop"];
        for name in template.undeclared_variables(false) {
            if !known.contains(&name) && !globals.contains(&name.as_str()) {
                let mut names: Vec<&str> = known.iter().map(String::as_str).collect();
                names.sort_unstable();
                let source = template.source().lines();
                return Err(TemplateProblem {
                    file: path.trim_end_matches(SUBJECT).to_owned(),
                    line: source.clone().position(|line| line.contains(&name)).map(|at| at + 1),
                    reason: format!(
                        "there is no variable `{name}`; there are {}",
                        names.join(", ")
                    ),
                });
            }
        }
        Ok(())
    }
}

fn add(
    environment: &mut Environment<'static>,
    path: &str,
    text: &str,
) -> Result<(), TemplateProblem> {
    let wrong = |line, reason: &str| TemplateProblem {
        file: path.to_owned(),
        line,
        reason: reason.to_owned(),
    };
    let is_letter = path.ends_with(".md") && !path.ends_with("/footer.md");
    let mut body = text.to_owned();
    if is_letter {
        let no_subject = || wrong(Some(1), "begin with ---, subject: …, ---");
        let (front, rest) = text
            .strip_prefix("---\n")
            .and_then(|rest| rest.split_once("\n---\n"))
            .ok_or_else(no_subject)?;
        let subject = front.strip_prefix("subject:").ok_or_else(no_subject)?.trim().to_owned();
        // Blank lines in place of the front matter keep the line numbers of errors true.
        body = format!("{}{rest}", "\n".repeat(front.lines().count() + 2));
        add_one(environment, path, format!("{path}{SUBJECT}"), subject)?;
    }
    add_one(environment, path, path.to_owned(), body)
}

fn add_one(
    environment: &mut Environment<'static>,
    path: &str,
    name: String,
    text: String,
) -> Result<(), TemplateProblem> {
    environment.add_template_owned(name, text).map_err(|why| problem(path, &why))
}

fn problem(path: &str, why: &Error) -> TemplateProblem {
    let detail = why.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let file = why.name().unwrap_or(path).trim_end_matches(SUBJECT);
    TemplateProblem {
        file: file.to_owned(),
        line: why.line(),
        reason: format!("{}{detail}", why.kind()),
    }
}

/// Values that go into Markdown are escaped, so that nobody's words become a link or a tag.
fn format_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let markdown = matches!(state.auto_escape(), AutoEscape::Custom(name) if name == "markdown");
    if !markdown || value.is_undefined() {
        return minijinja::escape_formatter(out, state, value);
    }
    let text = value.to_string();
    let foreign = value.kind() == ValueKind::String && !value.is_safe();
    out.write_str(&if foreign { markdown::escape(&text) } else { text }).map_err(Error::from)
}

/// A value as a code span. Inside one nothing is markup, and a backslash would be shown.
fn code(value: String) -> Value {
    Value::from_safe_string(format!("`{}`", value.replace(['`', '\n', '\r'], " ")))
}

/// A text of ours, with what stands between backticks as code.
fn with_code(text: String) -> Value {
    let mut out = String::new();
    for (index, part) in text.split('`').enumerate() {
        out.push_str(&if index % 2 == 0 { markdown::escape(part) } else { format!("`{part}`") });
    }
    Value::from_safe_string(out)
}

/// The lines of a text.
fn lines(text: String) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;
    use crate::compose::shipped::TEMPLATES;

    fn with(path: &str, text: &str) -> Result<Templates, TemplateProblem> {
        Templates::load(
            TEMPLATES
                .iter()
                .map(|(known, shipped)| (*known, if *known == path { text } else { *shipped })),
        )
    }

    #[test]
    fn the_shipped_templates_pass() {
        Templates::load(TEMPLATES.iter().copied()).unwrap();
    }

    #[test]
    fn a_wrong_template_is_named_with_file_line_and_reason() {
        let path = "en/verification-request.md";
        let said = |text: &str| with(path, text).unwrap_err().to_string();
        let unknown = said("---\nsubject: x\n---\nhello\n{{ refrence }}\n");
        assert!(
            unknown.starts_with("templates/en/verification-request.md, line 5: undefined value"),
            "{unknown}"
        );
        let hidden = said("---\nsubject: x\n---\n{% if false %}{{ nmae }}{% endif %}\n");
        assert!(
            hidden.contains("line 4: there is no variable `nmae`; there are backups_on,"),
            "{hidden}"
        );
        assert!(said("hello").contains("line 1: begin with ---, subject: …, ---"));
        assert!(said("---\nsubject: x\n---\n{% if %}").contains("line 4: syntax error"));
        let missing =
            Templates::load(TEMPLATES.iter().copied().filter(|(known, _)| *known != path));
        assert!(missing.unwrap_err().to_string().contains("template not found"));
    }

    #[test]
    fn values_cannot_become_markup() {
        let templates = Templates::load(TEMPLATES.iter().copied()).unwrap();
        let values = minijinja::context! {
            subject => "a\nb", what => "<b>x</b> [click](http://evil.example) **now**", remedy => "r",
        };
        let sample = samples_with(&values);
        let rendered = templates.letter("en", LetterKind::Alarm, &sample).unwrap();
        assert!(!rendered.subject.contains('\n'));
        let html = markdown::to_html(&rendered.body, "en");
        assert!(!html.contains("<b>") && !html.contains("href=\"http://evil"), "{html}");
    }

    fn samples_with(values: &Value) -> Value {
        let base = samples::letter(LetterKind::Alarm).remove(0);
        context! { ..values.clone(), ..base }
    }
}
