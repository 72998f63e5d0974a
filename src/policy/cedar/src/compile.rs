//! Policy texts to compiled policies, strictly: what the validator only warns of is a problem too.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{
    ActionConstraint, Effect, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint,
    ResourceConstraint, Schema, ValidationError, ValidationMode, Validator,
};
use miette::Diagnostic;

use crate::facts::{NAMES, OPERATIONS};
use crate::limits;
use crate::reads::{self, Literal};
use crate::wire::Writer;

pub const SCHEMA_TEXT: &str = include_str!("../../../../schema/stint.cedarschema");

#[allow(clippy::unwrap_used)] // the shipped file; `schema_parses` runs it
pub static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::from_cedarschema_str(SCHEMA_TEXT).unwrap().0);

/// A message may quote a type as large as the policy.
const MAX_MESSAGE: usize = 400;

pub struct File<'a> {
    pub text: &'a str,
}

pub struct Problem {
    pub file: usize,
    pub offset: Option<usize>,
    pub message: String,
}

pub struct Compiled {
    pub groups: Groups,
    pub infos: Vec<Info>,
}

pub struct Info {
    pub file: usize,
    pub offset: usize,
    pub forbids: bool,
    pub mask: u64,
    pub annotations: Vec<(String, String)>,
    pub literals: Vec<Literal>,
    first_action: Option<String>,
}

/// Policies by what their heads ask for, so that a decision evaluates only those whose head can
/// match. None: any.
#[derive(PartialEq, Eq, Hash, Clone, Default, Debug)]
pub struct Key {
    pub operation: Option<u8>,
    pub agent: Option<String>,
    pub resource: Option<EntityUid>,
    /// Of an upstream, from a condition.
    pub action: Option<String>,
}

#[derive(Default)]
pub struct Groups {
    pub by_key: HashMap<Key, PolicySet>,
    pub by_agent: bool,
    pub by_resource: bool,
    pub by_action: bool,
}

fn of_diagnostic(file: usize, d: &dyn Diagnostic) -> Problem {
    let offset = d.labels().and_then(|mut l| l.next()).map(|l| l.offset());
    let mut message = d.to_string();
    if let Some(help) = d.help() {
        message = format!("{message}; {help}");
    }
    // The place says which policy; its id here is a number of ours.
    if let Some((_, rest)) = message.strip_prefix("for policy `").and_then(|m| m.split_once("`, "))
    {
        message = rest.to_owned();
    }
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
    }
    Problem { file, offset, message }
}

fn at(file: usize, policy: &Policy, message: String) -> Problem {
    Problem { file, offset: Some(offset(policy)), message }
}

fn offset(policy: &Policy) -> usize {
    policy.as_ref().loc().map_or(0, |l| l.start())
}

/// The policies of one file in its order.
fn parse(file: usize, text: &str, problems: &mut Vec<Problem>) -> Vec<Policy> {
    if let Err((offset, message)) = limits::check_text(text) {
        problems.push(Problem { file, offset: Some(offset), message: message.into() });
        return Vec::new();
    }
    let set = match PolicySet::from_str(text) {
        Ok(set) => set,
        Err(errors) => {
            problems.extend(errors.iter().map(|e| of_diagnostic(file, e)));
            return Vec::new();
        }
    };
    if set.templates().next().is_some() {
        problems.push(Problem {
            file,
            offset: text.find('?'),
            message: "a template: slots such as ?principal are not supported".into(),
        });
    }
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(offset);
    policies
}

pub fn index_of(id: &PolicyId) -> Option<usize> {
    AsRef::<str>::as_ref(id).parse().ok()
}

fn key_of(policy: &Policy, action: Option<String>) -> Key {
    let operation = |uid: &EntityUid| {
        let at = OPERATIONS.iter().position(|o| *o == uid.id().unescaped())?;
        u8::try_from(at).ok()
    };
    Key {
        operation: match policy.action_constraint() {
            ActionConstraint::Eq(uid) => operation(&uid),
            ActionConstraint::In(list) if list.len() == 1 => operation(&list[0]),
            ActionConstraint::In(_) | ActionConstraint::Any => None,
        },
        agent: match policy.principal_constraint() {
            PrincipalConstraint::Eq(uid) if *uid.type_name() == NAMES.agent => {
                Some(uid.id().unescaped().to_owned())
            }
            _ => None,
        },
        resource: match policy.resource_constraint() {
            ResourceConstraint::Eq(uid) => Some(uid),
            _ => None,
        },
        action,
    }
}

fn info(file: usize, policy: &Policy) -> Result<Info, Problem> {
    let json =
        policy.to_json().map_err(|_| at(file, policy, "the policy has no JSON form".into()))?;
    if !limits::small_tree(&json) {
        return Err(at(file, policy, "a policy nested or chained more than 256 deep".into()));
    }
    let reads = reads::of_policy(&json);
    let mut literals = reads.literals;
    for uid in policy.entity_literals() {
        let kind = match uid.type_name() {
            t if *t == NAMES.upstream => 1,
            t if *t == NAMES.agent => 2,
            _ => continue,
        };
        literals.push(Literal { kind, name: uid.id().unescaped().to_owned() });
    }
    let mut annotations: Vec<_> =
        policy.annotations().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    annotations.sort();
    Ok(Info {
        file,
        offset: offset(policy),
        forbids: policy.effect() == Effect::Forbid,
        mask: reads.mask,
        annotations,
        literals,
        first_action: reads::first_action(&json),
    })
}

pub fn compile(files: &[File]) -> Result<Compiled, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut all = PolicySet::new();
    let mut groups = Groups::default();
    let mut infos = Vec::new();
    for (file, source) in files.iter().enumerate() {
        for parsed in parse(file, source.text, &mut problems) {
            let policy = parsed.new_id(PolicyId::new(infos.len().to_string()));
            match info(file, &policy) {
                Ok(info) => infos.push(info),
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            }
            let action = infos.last_mut().and_then(|i| i.first_action.take());
            let key = key_of(&policy, action);
            groups.by_action |= key.action.is_some();
            groups.by_agent |= key.agent.is_some();
            groups.by_resource |= key.resource.is_some();
            let group = groups.by_key.entry(key).or_default();
            if group.add(policy.clone()).and(all.add(policy)).is_err() {
                problems.push(Problem { file, offset: None, message: "cannot be added".into() });
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    problems = validate(&all, &infos);
    if problems.is_empty() { Ok(Compiled { groups, infos }) } else { Err(distinct(problems)) }
}

fn validate(all: &PolicySet, infos: &[Info]) -> Vec<Problem> {
    let found = Validator::new(SCHEMA.clone()).validate(all, ValidationMode::Strict);
    let info = |id: &PolicyId| index_of(id).and_then(|i| infos.get(i));
    let problem = |id: &PolicyId, d: &dyn Diagnostic| {
        let mut p = of_diagnostic(info(id).map_or(0, |i| i.file), d);
        p.offset = p.offset.or(info(id).map(|i| i.offset));
        p
    };
    // An unknown name has consequences that the validator reports too: the name is enough.
    let unknown = |e: &&ValidationError| {
        matches!(
            e,
            ValidationError::UnrecognizedEntityType(_) | ValidationError::UnrecognizedActionId(_)
        )
    };
    let named: HashSet<_> =
        found.validation_errors().filter(unknown).map(|e| e.policy_id()).collect();
    let errors = found.validation_errors().filter(|e| unknown(e) || !named.contains(e.policy_id()));
    let problems: Vec<_> = errors.map(|e| problem(e.policy_id(), e)).collect();
    if !problems.is_empty() {
        return problems;
    }
    let warnings = found.validation_warnings();
    warnings.map(|w| problem(w.policy_id(), w)).collect()
}

/// The validator finds one mistake once for each kind of request, in any order.
fn distinct(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| (a.file, a.offset, &a.message).cmp(&(b.file, b.offset, &b.message)));
    problems.dedup_by_key(|p| (p.file, p.offset));
    problems
}

pub fn write_problems(problems: &[Problem]) -> Vec<u8> {
    let mut w = Writer::default();
    w.u32(problems.len());
    for p in problems {
        w.u32(p.file);
        w.u8(u8::from(p.offset.is_some()));
        w.u32(p.offset.unwrap_or(0));
        w.text(&p.message);
    }
    w.bytes
}

pub fn write_infos(infos: &[Info]) -> Vec<u8> {
    let mut w = Writer::default();
    w.u32(infos.len());
    for i in infos {
        w.u32(i.file);
        w.u32(i.offset);
        w.u8(u8::from(i.forbids));
        w.u64(i.mask);
        w.u32(i.annotations.len());
        for (k, v) in &i.annotations {
            w.text(k);
            w.text(v);
        }
        w.u32(i.literals.len());
        for l in &i.literals {
            w.u8(l.kind);
            w.text(&l.name);
        }
    }
    w.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_parses() {
        assert_eq!(SCHEMA.request_envs().count(), 4);
    }

    #[test]
    fn warnings_are_problems() {
        let text = "permit(principal, action, resource) when { false };";
        let problems = compile(&[File { text }]).err().expect("refused");
        assert_eq!(problems.len(), 1);
    }
}
