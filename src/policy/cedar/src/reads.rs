//! What a policy can read, found in its syntax tree. Errs on the side of more: anything that is not
//! plainly one fact counts as all of them.

use serde_json::Value;

use crate::facts::{ALL, mask_of};

/// A name that a policy compares with: it should exist where the policy runs.
#[derive(PartialEq, Eq, Clone, Debug)]
pub struct Literal {
    pub kind: u8, // 0 action of an upstream, 1 Upstream, 2 Agent
    pub name: String,
}

#[derive(Default)]
pub struct Reads {
    pub mask: u64,
    pub literals: Vec<Literal>,
}

pub fn of_policy(policy: &Value) -> Reads {
    let mut reads = Reads::default();
    match policy.get("conditions").and_then(Value::as_array) {
        Some(conditions) => {
            for condition in conditions {
                match condition.get("body") {
                    Some(body) => reads.walk(body),
                    None => reads.mask = ALL,
                }
            }
        }
        None => reads.mask = ALL,
    }
    reads
}

/// The name in a policy whose condition starts with `context.action == "…"`: for any other action it
/// is false before anything in it can fail.
pub fn first_action(policy: &Value) -> Option<String> {
    let first = policy.get("conditions")?.get(0)?;
    if first.get("kind")?.as_str()? != "when" {
        return None;
    }
    let mut e = first.get("body")?;
    while let Some(and) = e.get("&&") {
        e = and.get("left")?;
    }
    let equal = e.get("==")?;
    let (left, right) = (equal.get("left")?, equal.get("right")?);
    let name = |e: &Value| Some(e.get("Value")?.as_str()?.to_owned());
    match (path(left).as_deref(), path(right).as_deref()) {
        (Some("context.action"), None) => name(right),
        (None, Some("context.action")) => name(left),
        _ => None,
    }
}

/// "context.task.age" of the tree of that expression.
fn path(e: &Value) -> Option<String> {
    if let Some(var) = e.get("Var").and_then(Value::as_str) {
        return Some(var.to_owned());
    }
    member(e.get(".")?)
}

fn member(of: &Value) -> Option<String> {
    let left = path(of.get("left")?)?;
    Some(format!("{left}.{}", of.get("attr")?.as_str()?))
}

impl Reads {
    fn read(&mut self, path: &str) {
        let (var, rest) = path.split_once('.').unwrap_or((path, ""));
        self.mask |= match var {
            "context" => mask_of(rest),
            // The ids of these are always handed over; alone they have no other value.
            "principal" | "resource" | "action" if rest.is_empty() => 0,
            "principal" => mask_of(&format!("principal.{rest}")),
            "resource" => mask_of(&format!("upstream.{rest}")),
            _ => ALL,
        };
    }

    fn walk(&mut self, e: &Value) {
        if let Some(p) = path(e) {
            return self.read(&p);
        }
        let Some(node) = e.as_object() else {
            self.mask = ALL; // not the form that is known here
            return;
        };
        for (operator, operands) in node {
            self.note_literals(operator, operands);
            match operator.as_str() {
                "Value" => {}
                "has" => match member(operands) {
                    Some(p) => self.read(&p),
                    None => self.all(operands.get("left")),
                },
                "." | "like" | "is" => {
                    self.all(operands.get("left"));
                    // `x is T in y`
                    if let Some(inside) = operands.get("in") {
                        self.walk(inside);
                    }
                }
                _ => match operands {
                    Value::Object(named) => named.values().for_each(|x| self.walk(x)),
                    Value::Array(listed) => listed.iter().for_each(|x| self.walk(x)),
                    _ => self.mask = ALL,
                },
            }
        }
    }

    fn all(&mut self, e: Option<&Value>) {
        match e {
            Some(e) => self.walk(e),
            None => self.mask = ALL,
        }
    }

    /// `context.action == "x"`, either way round, and `["x", "y"].contains(context.action)`.
    fn note_literals(&mut self, operator: &str, operands: &Value) {
        let (Some(left), Some(right)) = (operands.get("left"), operands.get("right")) else {
            return;
        };
        let is_action = |e: &Value| path(e).as_deref() == Some("context.action");
        let other = match operator {
            "==" | "!=" if is_action(left) => right,
            "==" | "!=" | "contains" if is_action(right) => left,
            _ => return,
        };
        self.note_texts(other);
    }

    fn note_texts(&mut self, e: &Value) {
        let set = e.get("Set").or_else(|| e.get("Value"));
        if let Some(name) = e.get("Value").and_then(Value::as_str) {
            self.literals.push(Literal { kind: 0, name: name.to_owned() });
        } else if let Some(members) = set.and_then(Value::as_array) {
            for member in members {
                match member.as_str() {
                    Some(name) => self.literals.push(Literal { kind: 0, name: name.to_owned() }),
                    None => self.note_texts(member),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(condition: &str) -> Reads {
        let text = format!("permit(principal, action, resource) when {{ {condition} }};");
        let policy = cedar_policy::Policy::parse(None, text).expect("policy");
        of_policy(&policy.to_json().expect("json"))
    }

    #[test]
    fn finds_exactly_what_is_read() {
        let rows: &[(&str, &[&str])] = &[
            ("context.granted", &["granted"]),
            ("context.task.age > 3", &["task.age"]),
            ("context has human", &["human"]),
            ("context has human.groups", &["human"]),
            ("context.human.present", &["human.present"]),
            ("context.request has ip && context.request.ip.isIpv4()", &["request.ip"]),
            ("context.request.arguments.hasTag(\"x\")", &["request.arguments"]),
            ("principal.owner == \"a\"", &["principal.owner"]),
            ("resource.kind == \"git\"", &["upstream.kind"]),
            ("principal == Agent::\"a\"", &[]),
            ("[context.class].contains(\"a\")", &["class"]),
            ("{\"Var\": context.class}[\"Var\"] == \"context\"", &["class"]),
            (
                "if context.granted then true else context.risk.score < 2",
                &["granted", "risk.score"],
            ),
            ("context.task == context.task", &["task"]),
            ("{\"a\": context}.a.granted", &[""]),
        ];
        for (condition, paths) in rows {
            let want = paths.iter().fold(0, |m, p| m | mask_of(p));
            assert_eq!(reads(condition).mask, want, "{condition}");
        }
    }

    #[test]
    fn finds_the_first_action() {
        let first = |rest: &str| {
            let text = format!("permit(principal, action, resource) {rest};");
            let policy = cedar_policy::Policy::parse(None, text).expect("policy");
            first_action(&policy.to_json().expect("json"))
        };
        let a = Some("a".to_owned());
        assert_eq!(first("when { context.action == \"a\" }"), a);
        assert_eq!(first("when { \"a\" == context.action && context.granted }"), a);
        assert_eq!(first("when { context.action == \"a\" && context.granted && true }"), a);
        assert_eq!(first("when { context.action == \"a\" } unless { context.granted }"), a);
        assert_eq!(first("when { context.granted && context.action == \"a\" }"), None);
        assert_eq!(first("when { context.action == \"a\" || context.granted }"), None);
        assert_eq!(first("when { context.action != \"a\" }"), None);
        assert_eq!(first("unless { context.action == \"a\" }"), None);
        assert_eq!(first("when { context.action == context.action }"), None);
        assert_eq!(first(""), None);
    }

    #[test]
    fn notes_action_names() {
        let names = |c| reads(c).literals.iter().map(|l| l.name.clone()).collect::<Vec<_>>();
        assert_eq!(names("context.action == \"a.b\""), ["a.b"]);
        assert_eq!(names("\"a.b\" != context.action"), ["a.b"]);
        assert_eq!(names("[\"a\", \"b\"].contains(context.action)"), ["a", "b"]);
        assert!(names("context.class == \"read\"").is_empty());
    }
}
