//! One evaluation. Policies are evaluated in groups; the answers of the groups add up to what one
//! evaluation of all of them says, since Cedar evaluates each policy for itself: any satisfied
//! forbid denies, else any satisfied permit permits, else nothing does.

use std::sync::LazyLock;

use cedar_policy::{AuthorizationError, Authorizer, Decision, PolicyId};

use crate::compile::{Groups, Key, index_of};
use crate::facts::Facts;

static AUTHORIZER: LazyLock<Authorizer> = LazyLock::new(Authorizer::new);

/// Makes what all evaluations share, so that they only read it.
pub fn warm() {
    LazyLock::force(&AUTHORIZER);
    LazyLock::force(&crate::facts::NAMES);
    LazyLock::force(&crate::compile::SCHEMA);
}

/// The policies that determined the answer, by index, sorted; or those that failed.
pub enum Answer {
    Permit(Vec<u32>),
    Deny(Vec<u32>),
    Failed(Vec<u32>),
}

/// The keys of the groups that hold every policy whose head and first condition can match.
fn keys(groups: &Groups, facts: &Facts) -> Vec<Key> {
    let mut keys = vec![Key::default()];
    let mut also = |set: &dyn Fn(&mut Key)| {
        for mut key in keys.clone() {
            set(&mut key);
            keys.push(key);
        }
    };
    also(&|key| key.operation = Some(facts.operation));
    if groups.by_agent {
        also(&|key| key.agent = Some(facts.agent.to_owned()));
    }
    if groups.by_resource {
        also(&|key| key.resource = facts.request.resource().cloned());
    }
    if let Some(action) = facts.action.filter(|_| groups.by_action) {
        also(&|key| key.action = Some(action.to_owned()));
    }
    keys
}

pub fn evaluate(groups: &Groups, facts: &Facts) -> Answer {
    let (mut permits, mut forbids, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for key in keys(groups, facts) {
        let Some(group) = groups.by_key.get(&key) else {
            continue;
        };
        let response = AUTHORIZER.is_authorized(&facts.request, group, &facts.entities);
        let found = response.diagnostics();
        failed.extend(found.errors().map(|e| match e {
            AuthorizationError::PolicyEvaluationError(e) => index(e.policy_id()),
        }));
        let reasons = found.reason().map(index);
        match response.decision() {
            Decision::Allow => permits.extend(reasons),
            Decision::Deny => forbids.extend(reasons),
        }
    }
    for list in [&mut permits, &mut forbids, &mut failed] {
        list.sort_unstable();
    }
    if !failed.is_empty() {
        Answer::Failed(failed)
    } else if !forbids.is_empty() || permits.is_empty() {
        Answer::Deny(forbids)
    } else {
        Answer::Permit(permits)
    }
}

fn index(id: &PolicyId) -> u32 {
    // Ids are indices, given in compile().
    index_of(id).and_then(|i| u32::try_from(i).ok()).unwrap_or(u32::MAX)
}
