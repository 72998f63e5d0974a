//! The facts of one request: which there are, and how they become a Cedar request.
//!
//! Only the facts of a mask are handed over: those that some policy can read. The rest is left out,
//! and no policy can tell.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RestrictedExpression as Value, Schema,
};

use crate::wire::Reader;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Bool,
    Long,
    Text,
    Ip,
    Texts,
    Tags,
    /// No value of its own: whether the record is there at all.
    Presence,
}

pub struct Leaf {
    pub path: &'static str,
    pub kind: Kind,
    pub optional: bool,
}

const fn leaf(path: &'static str, kind: Kind) -> Leaf {
    Leaf { path, kind, optional: false }
}
const fn maybe(path: &'static str, kind: Kind) -> Leaf {
    Leaf { path, kind, optional: true }
}

/// In this order they are bits of a mask and follow each other on the wire. `facts.cc` has the same
/// list; loading compares them. A record's presence stands before its members.
pub const LEAVES: &[Leaf] = &[
    leaf("action", Kind::Text),
    leaf("class", Kind::Text),
    leaf("granted", Kind::Bool),
    leaf("resource", Kind::Text),
    leaf("task.id", Kind::Text),
    leaf("task.purpose", Kind::Text),
    leaf("task.reference", Kind::Text),
    leaf("task.has_reference", Kind::Bool),
    leaf("task.environment", Kind::Text),
    leaf("task.ceiling", Kind::Text),
    leaf("task.ceiling_level", Kind::Long),
    leaf("task.age", Kind::Long),
    leaf("task.life", Kind::Long),
    leaf("task.depth", Kind::Long),
    leaf("task.attended", Kind::Bool),
    leaf("task.autonomous", Kind::Bool),
    leaf("task.inherits_human_read", Kind::Bool),
    maybe("task.requests_left", Kind::Long),
    maybe("task.bytes_left", Kind::Long),
    leaf("task.grants", Kind::Texts),
    leaf("human", Kind::Presence),
    leaf("human.id", Kind::Text),
    leaf("human.groups", Kind::Texts),
    leaf("human.present", Kind::Bool),
    maybe("request.ip", Kind::Ip),
    leaf("request.method", Kind::Text),
    leaf("request.path", Kind::Text),
    leaf("request.weekday", Kind::Long),
    leaf("request.hour", Kind::Long),
    leaf("request.minute", Kind::Long),
    leaf("request.fresh_proof", Kind::Bool),
    leaf("request.arguments", Kind::Tags),
    leaf("risk.score", Kind::Long),
    leaf("approval", Kind::Presence),
    leaf("approval.granted", Kind::Bool),
    maybe("approval.by", Kind::Text),
    leaf("approval.age", Kind::Long),
    leaf("approval.four_eyes", Kind::Bool),
    leaf("principal.owner", Kind::Text),
    leaf("principal.status", Kind::Text),
    leaf("principal.labels", Kind::Texts),
    leaf("upstream.kind", Kind::Text),
    leaf("upstream.sensitivity", Kind::Text),
    leaf("upstream.sensitivity_level", Kind::Long),
    leaf("upstream.labels", Kind::Texts),
];

pub const ALL: u64 = (1 << LEAVES.len()) - 1;

/// The leaves at or below a path, with the presence of every record on the way.
pub fn mask_of(path: &str) -> u64 {
    let mut mask = 0;
    for (bit, leaf) in LEAVES.iter().enumerate() {
        let below = path.is_empty() || within(leaf.path, path);
        let above = leaf.kind == Kind::Presence && within(path, leaf.path);
        if below || above {
            mask |= 1 << bit;
        }
    }
    mask
}

fn within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

pub const OPERATIONS: [&str; 4] = ["call", "task.open", "task.delegate", "token.mint"];

pub struct Names {
    pub agent: EntityTypeName,
    pub upstream: EntityTypeName,
    pub task: EntityTypeName,
    arguments: EntityTypeName,
    pub actions: [EntityUid; 4],
}

#[allow(clippy::unwrap_used)] // literals; `names_parse` runs it
pub static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let action: EntityTypeName = "Action".parse().unwrap();
    Names {
        agent: "Agent".parse().unwrap(),
        upstream: "Upstream".parse().unwrap(),
        task: "Task".parse().unwrap(),
        arguments: "Arguments".parse().unwrap(),
        actions: OPERATIONS.map(|o| uid(&action, o)),
    }
});

pub fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

pub struct Facts<'a> {
    pub operation: u8,
    pub agent: &'a str,
    /// The upstream's action; None: no policy reads it.
    pub action: Option<&'a str>,
    pub request: Request,
    pub entities: Entities,
}

/// Why the facts could not be read: never what they said.
pub enum Unreadable {
    Malformed,
    Value,
}

type Attrs = HashMap<String, Value>;

fn text_value(v: &str) -> Value {
    Value::new_string(v.to_owned())
}

fn texts(r: &mut Reader) -> Option<Value> {
    let n = r.u32()?;
    let mut all = Vec::new();
    for _ in 0..n {
        all.push(text_value(r.text()?));
    }
    Some(Value::new_set(all))
}

fn tags(r: &mut Reader) -> Option<Attrs> {
    let n = r.u32()?;
    let mut all = HashMap::new();
    for _ in 0..n {
        let name = r.text()?.to_owned();
        all.insert(name, text_value(r.text()?));
    }
    Some(all)
}

#[derive(Default)]
struct Records {
    context: Attrs,
    task: Option<Attrs>,
    human: Option<Attrs>,
    request: Option<Attrs>,
    risk: Option<Attrs>,
    approval: Option<Attrs>,
    principal: Attrs,
    upstream: Attrs,
    arguments: Option<Attrs>,
}

impl Records {
    /// Where the members of `record` go; None: the record is absent.
    fn of(&mut self, record: &str) -> Option<&mut Attrs> {
        match record {
            "" => Some(&mut self.context),
            "task" => Some(self.task.get_or_insert_default()),
            "request" => Some(self.request.get_or_insert_default()),
            "risk" => Some(self.risk.get_or_insert_default()),
            "human" => self.human.as_mut(),
            "approval" => self.approval.as_mut(),
            "principal" => Some(&mut self.principal),
            "upstream" => Some(&mut self.upstream),
            _ => None,
        }
    }

    fn read(&mut self, r: &mut Reader, leaf: &Leaf) -> Option<()> {
        if leaf.kind == Kind::Presence {
            let there = r.bool()?.then(Attrs::new);
            match leaf.path {
                "human" => self.human = there,
                _ => self.approval = there,
            }
            return Some(());
        }
        let (record, name) = leaf.path.rsplit_once('.').unwrap_or(("", leaf.path));
        if self.of(record).is_none() || (leaf.optional && !r.bool()?) {
            return Some(());
        }
        let value = match leaf.kind {
            Kind::Bool => Value::new_bool(r.bool()?),
            Kind::Long => Value::new_long(r.i64()?),
            Kind::Text => text_value(r.text()?),
            Kind::Ip => Value::new_ip(r.text()?),
            Kind::Texts => texts(r)?,
            Kind::Tags => {
                self.arguments = Some(tags(r)?);
                Value::new_entity_uid(uid(&NAMES.arguments, ""))
            }
            Kind::Presence => return None,
        };
        self.of(record)?.insert(name.to_owned(), value);
        Some(())
    }

    fn context(mut self) -> Result<Context, Unreadable> {
        let records = [
            ("task", self.task),
            ("human", self.human),
            ("request", self.request),
            ("risk", self.risk),
            ("approval", self.approval),
        ];
        for (name, record) in records {
            if let Some(members) = record {
                let value = Value::new_record(members).map_err(|_| Unreadable::Value)?;
                self.context.insert(name.to_owned(), value);
            }
        }
        Context::from_pairs(self.context).map_err(|_| Unreadable::Value)
    }
}

/// Reads one request. With a schema, checks it against that: for tests.
pub fn decode<'a>(bytes: &'a [u8], schema: Option<&Schema>) -> Result<Facts<'a>, Unreadable> {
    let mut r = Reader::new(bytes);
    let mut records = Records::default();
    let mut head = || {
        let operation = r.u8()?;
        let mask = r.u64()?;
        let agent = r.text()?;
        let resource = r.text()?;
        // "action" is the first of the facts.
        let action = if mask & 1 != 0 { Some(r.clone().text()?) } else { None };
        for (bit, leaf) in LEAVES.iter().enumerate() {
            if mask & (1 << bit) != 0 {
                records.read(&mut r, leaf)?;
            }
        }
        (r.at_end() && usize::from(operation) < OPERATIONS.len())
            .then_some((operation, agent, resource, action))
    };
    let (operation, agent, resource, named) = head().ok_or(Unreadable::Malformed)?;

    let value = |_| Unreadable::Value;
    let mut entities = Vec::with_capacity(3);
    let principal = uid(&NAMES.agent, agent);
    let attrs = std::mem::take(&mut records.principal);
    entities.push(Entity::new(principal.clone(), attrs, HashSet::new()).map_err(value)?);
    let attrs = std::mem::take(&mut records.upstream);
    let target = if operation == 0 {
        let target = uid(&NAMES.upstream, resource);
        entities.push(Entity::new(target.clone(), attrs, HashSet::new()).map_err(value)?);
        target
    } else {
        uid(&NAMES.task, resource)
    };
    if let Some(tags) = records.arguments.take() {
        let id = uid(&NAMES.arguments, "");
        entities.push(Entity::new_with_tags(id, [], [], tags).map_err(value)?);
    }
    let action = NAMES.actions[usize::from(operation)].clone();
    let request = Request::new(principal, action, target, records.context()?, schema)
        .map_err(|_| Unreadable::Value)?;
    let entities = Entities::from_entities(entities, schema).map_err(|_| Unreadable::Value)?;
    Ok(Facts { operation, agent, action: named, request, entities })
}
