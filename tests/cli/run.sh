#!/usr/bin/env bash
# tests/cli/run.sh [WORD…]: every verb of the command line against a `stint serve` of its own, with
# nothing but a shell, openssl, jq and python3. Words choose the tests whose names have one of them.
# STINT_BIN and STINT_VERIFY_BIN name the programs. Last line: N passed, M failed.
set -uo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
STINT=${STINT_BIN:-$ROOT/build/release/bin/stint}
VERIFY=${STINT_VERIFY_BIN:-$ROOT/build/release/bin/stint-verify}
for program in "$STINT" "$VERIFY"; do
  [ -x "$program" ] || { echo "error: $program is not there: make build" >&2; exit 1; }
done

SPACE=$(mktemp -d "${TMPDIR:-/tmp}/stint-cli-XXXXXX")
for name in $(env | sed -n 's/^\(STINT_[A-Z_]*\|GIT_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
export STINT_HOME=$SPACE/home HOME=$SPACE
PIDS=()
finish() {
  for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; done
  rm -rf "$SPACE"
}
trap finish EXIT

PASSED=0 FAILED=()
WORDS=("$@")
fail() { printf '     %s\n' "$*" >&2; return 1; }
chosen() {
  [ ${#WORDS[@]} -eq 0 ] && return 0
  local word
  for word in "${WORDS[@]}"; do [[ $1 == *"$word"* ]] && return 0; done
  return 1
}
run_test() {
  chosen "$1" || return 0
  # -e does not reach into a function whose status is asked for: each test is a shell of its own.
  ( set -e; "$1" ) >"$SPACE/out" 2>"$SPACE/err"
  if [ $? -eq 0 ]; then
    PASSED=$((PASSED + 1)); echo "ok   ${1#test_}"
  else
    FAILED+=("${1#test_}"); echo "FAIL ${1#test_}"
    sed 's/^/     /' "$SPACE/out" "$SPACE/err" | tail -n 30
  fi
}
status_of() { local s=0; "$@" >"$SPACE/said" 2>&1 || s=$?; echo "$s"; }
has() { grep -qF -- "$1" "$SPACE/said" || fail "not said: $1; said: $(head -c 600 "$SPACE/said")"; }
is() { [ "$1" = "$2" ] || fail "got '$1', want '$2'${3:+ ($3)}: $(head -c 600 "$SPACE/said" 2>/dev/null)"; }
wait_for() { local i; for i in $(seq 200); do "$@" && return 0; sleep 0.05; done; fail "never: $*"; }

# --- a world: an HTTP upstream, an agent, a server ---
printf '%s\n' 'import http.server, sys' \
  'class H(http.server.BaseHTTPRequestHandler):' \
  '    protocol_version = "HTTP/1.1"' \
  '    def do_GET(self):' \
  '        auth = self.headers.get("Authorization", "none")' \
  '        body = f"{self.path} as {auth[:7]}\n".encode()' \
  '        open(sys.argv[1] + ".seen", "a").write(f"{self.command} {self.path} {auth}\n")' \
  '        self.send_response(200); self.send_header("Content-Length", str(len(body)))' \
  '        self.end_headers(); self.wfile.write(body)' \
  '    def do_POST(self):' \
  '        n = int(self.headers.get("Content-Length", 0)); self.rfile.read(n); self.do_GET()' \
  '    def log_message(self, *a): pass' \
  's = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)' \
  'open(sys.argv[1], "w").write(str(s.server_port)); s.serve_forever()' >"$SPACE/upstream.py"
python3 "$SPACE/upstream.py" "$SPACE/upstream.port" & PIDS+=($!)
wait_for test -s "$SPACE/upstream.port"
UPSTREAM=http://127.0.0.1:$(cat "$SPACE/upstream.port")

R=$SPACE/resources
mkdir -p "$R/policies" "$R/secret"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$SPACE/agent-test.pem" 2>/dev/null
chmod 600 "$SPACE/agent-test.pem"
openssl pkey -in "$SPACE/agent-test.pem" -pubout -outform DER 2>/dev/null |
  python3 -c '
import sys, base64, json
point = sys.stdin.buffer.read()[-64:]
b = lambda v: base64.urlsafe_b64encode(v).rstrip(b"=").decode()
print(json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
                            "kid": "cli-test-1", "x": b(point[:32]), "y": b(point[32:])}]}))' \
  >"$R/worker.jwks.json"
cat >"$R/all.yaml" <<Y
group: operators
description: who answers for machines
---
group: approvers
description: may answer what policies ask
---
agent: worker
owner: operators
description: does what the test says
trust:
  - {kind: private_key_jwt, jwks_file: worker.jwks.json}
---
credential: desk-key
source: file
path: secret/desk-key
---
upstream: desk
kind: http
url: $UPSTREAM
sensitivity: internal
inject: {credential: desk-key, as: header, name: Authorization, format: "Bearer {secret}"}
actions:
  - {action: ticket.read, class: read, match: "GET /tickets/{id}"}
  - {action: ticket.reply, class: write, match: "POST /tickets/{id}/replies"}
Y
printf 'desk-test-value-4711\n' >"$R/secret/desk-key"
cp "$ROOT"/policies/*.cedar "$R/policies/"
printf '%s\n' '@id("worker-alone")' 'permit (principal == Agent::"worker", action == Action::"task.open", resource)' \
  'when { context.task.autonomous };' >"$R/policies/worker.cedar"
printf 'listen: {control: "127.0.0.1:0", gateway: "127.0.0.1:0", operations: "127.0.0.1:0"}\naudit: {checkpoint_every: 1s}\nlimits: {drain_timeout: 2s}\nkeys: {publish_ahead: 3s}\n' >"$SPACE/stint.yaml"

"$STINT" serve --config "$SPACE/stint.yaml" >"$SPACE/serve.out" 2>"$SPACE/serve.log" & SERVER=$!
PIDS+=("$SERVER")
wait_for test -s "$STINT_HOME/ports.json"

in_task() {  # in_task [OPTIONS] -- COMMAND…: the worker, autonomously, may read tickets
  "$STINT" run --task "look at tickets" --autonomous --agent worker \
    --agent-key "$SPACE/agent-test.pem" --allow desk:ticket.read "$@"
}

# --- the tests, in an order in which each finds what it needs ---
test_ports_are_told() {
  is "$(jq -r .socket "$STINT_HOME/ports.json")" "$STINT_HOME/operator.sock"
  is "$(stat -c %a "$STINT_HOME/operator.sock")" 600
  is "$(stat -c %a "$STINT_HOME/root.key")" 600
  grep -q '^issuer http://127.0.0.1:' "$SPACE/serve.out"
  curl -sf "$(jq -r .operations "$STINT_HOME/ports.json")/readyz" >/dev/null
}
test_a_second_server_is_refused() {
  is "$(status_of "$STINT" serve --config "$SPACE/stint.yaml")" 75
}
test_public_address_needs_tls() {
  printf 'listen: {control: "0.0.0.0:0"}\n' >"$SPACE/public.yaml"
  is "$(status_of "$STINT" --home "$SPACE/other" serve --config "$SPACE/public.yaml")" 2
  has "that needs tls"
}
test_unknown_keys_are_named() {
  printf 'lisen: {control: "127.0.0.1:0"}\n' >"$SPACE/wrong.yaml"
  is "$(status_of "$STINT" --home "$SPACE/other" serve --config "$SPACE/wrong.yaml")" 2
  has 'wrong.yaml:1:1'; has 'listen'
}
test_plan_shows_and_changes_nothing() {
  is "$(status_of "$STINT" plan -f "$R")" 0
  has '+ agent worker'; has 'desk-key has no value'
  is "$("$STINT" agent list --json | jq '.items | length')" 0
}
test_wrong_resources_are_refused_with_line_and_name() {
  mkdir -p "$SPACE/wrong"; printf 'agnet: x\n' >"$SPACE/wrong/a.yaml"
  is "$(status_of "$STINT" apply -f "$SPACE/wrong" --yes)" 1
  has "$SPACE/wrong/a.yaml:1:"; has 'agent'
}
test_apply_asks_without_yes() {
  is "$(status_of "$STINT" apply -f "$R" </dev/null)" 1
  has '--yes'
}
test_apply() {
  is "$(status_of "$STINT" apply -f "$R" --yes)" 0
  has '1 sealed'
  is "$("$STINT" agent list --json | jq -r '.items[0].name')" worker
  is "$("$STINT" credential show desk-key --json | jq .has_value)" true
  ! grep -rqa desk-test-value-4711 "$STINT_HOME" || fail "the value is in the state directory"
}
test_apply_again_changes_nothing() {
  local before after
  before=$("$STINT" agent list --json | jq -r .items[0])
  is "$("$STINT" apply -f "$R" --yes --json 2>/dev/null | jq .sealed)" 0 "the same value again"
  rm "$R/secret/desk-key"
  is "$(status_of "$STINT" apply -f "$R" --yes)" 0
  has 'its sealed value stays'
  after=$("$STINT" agent list --json | jq -r .items[0]); is "$after" "$before"
}
test_lists_and_shows() {
  local noun
  for noun in agent upstream credential human group issuer policy; do
    is "$(status_of "$STINT" $noun list)" 0 "$noun"; has NAME
    "$STINT" $noun list --json | jq -e .items >/dev/null
  done
  is "$(status_of "$STINT" upstream show desk)" 0; has "$UPSTREAM"
  is "$(status_of "$STINT" upstream show nothing)" 1
  is "$("$STINT" policy list --json --limit 2 | jq '.items | length')" 2
}
test_whoami_keys_version_doctor() {
  is "$("$STINT" whoami --json | jq -r .kind)" operator
  is "$("$STINT" keys list --json | jq '.items | length')" 4
  is "$(status_of "$STINT" version)" 0; has 'stint 0.'
  is "$(status_of "$STINT" doctor)" 0; has '/readyz: 200'
}
test_run_gives_the_child_no_credential() {
  in_task --clean-env --quiet -- sh -c 'env >"$0"; curl -s "$STINT_URL_DESK/tickets/7"' \
    "$SPACE/child.env" >"$SPACE/said"
  is "$(cat "$SPACE/said")" "/tickets/7 as Bearer "
  tail -n 1 "$SPACE/upstream.port.seen" | grep -q 'GET /tickets/7 Bearer desk-test-value-4711'
  ! grep -E 'eyJ|stint_[a-z]+_|PRIVATE|4711' "$SPACE/child.env" || fail "a secret in the environment"
}
test_run_passes_the_status_through_and_ends_the_task() {
  is "$(status_of in_task -- sh -c 'echo $STINT_TASK >"$0"; exit 7' "$SPACE/task")" 7
  is "$("$STINT" task show "$(cat "$SPACE/task")" --json | jq -r '.state + " " + .how')" "closed completed"
  is "$(status_of in_task -- sh -c 'kill -TERM $$')" 143
  is "$(status_of in_task -- "$SPACE/no-such-command")" 127
}
test_run_says_json_on_stderr_alone() {
  in_task --json -- sh -c 'echo $STINT_TASK; exit 3' >"$SPACE/said" 2>"$SPACE/events" && fail "status lost" || is $? 3
  jq -se 'map(.event) == ["opened", "ended"]' <(jq -c 'select(.event == "opened" or .event == "ended")' "$SPACE/events") >/dev/null ||
    fail "$(cat "$SPACE/events")"
  is "$(jq -r 'select(.event == "opened") | .task' "$SPACE/events")" "$(cat "$SPACE/said")"
  is "$(jq -r 'select(.event == "ended") | .how' "$SPACE/events")" "completed; exit status 3"
  "$STINT" run --json --task x --agent worker --agent-key "$SPACE/none" --autonomous --allow desk:ticket.read -- true \
    >"$SPACE/said" 2>"$SPACE/events" && fail "it ran" || true
  is "$(jq -r 'select(.event == "failed") | .ok' "$SPACE/events")" false
  [ ! -s "$SPACE/said" ] || fail "stdout is the command's"
}
test_run_refuses_what_was_not_granted() {
  in_task --quiet -- sh -c 'curl -s -X POST -d x "$STINT_URL_DESK/tickets/7/replies"' >"$SPACE/said"
  is "$(jq -r .status "$SPACE/said")" 403
  ! grep -q '/replies' "$SPACE/upstream.port.seen" || fail "the upstream saw it"
  "$STINT" why "$(jq -r .decision "$SPACE/said")" >"$SPACE/why"; test -s "$SPACE/why"
}
test_run_refuses_other_processes() {
  in_task -- sh -c 'echo "$STINT_URL_DESK" >"$0.url"; until [ -e "$0.done" ]; do sleep 0.05; done' \
    "$SPACE/foreign" 2>"$SPACE/said" & local runner=$!
  wait_for test -s "$SPACE/foreign.url"
  is "$(curl -s -o /dev/null -w '%{http_code}' "$(cat "$SPACE/foreign.url")/tickets/7")" 403
  is "$(curl -s -o /dev/null -w '%{http_code}' "$(sed 's|/[^/]*/desk|/guess/desk|' "$SPACE/foreign.url")/tickets/7")" 404
  : >"$SPACE/foreign.done"; wait "$runner"
  has '1 requests from other processes were refused'
}
test_run_serves_grandchildren_and_orphans() {
  in_task --quiet -- sh -c '(setsid sh -c "sleep 0.3; curl -s \"$STINT_URL_DESK/tickets/8\" >$0" &); sleep 1.5' \
    "$SPACE/orphan"
  is "$(cat "$SPACE/orphan")" "/tickets/8 as Bearer "
}
test_run_killed_ends_by_idleness() {
  in_task --idle 2s -- sh -c 'echo $STINT_TASK >"$0"; echo $PPID >"$0.pid"; sleep 30' "$SPACE/killed" \
    2>/dev/null & local runner=$!
  wait_for test -s "$SPACE/killed.pid"
  kill -KILL "$(cat "$SPACE/killed.pid")"; wait "$runner" || true
  closed() { [ "$("$STINT" task show "$(cat "$SPACE/killed")" --json | jq -r .how)" = idle ]; }
  wait_for closed
}
test_run_stays_alive_while_the_child_is_quiet() {
  in_task --quiet --idle 1s -- sh -c 'sleep 3; curl -s "$STINT_URL_DESK/tickets/9"' >"$SPACE/said"
  is "$(cat "$SPACE/said")" "/tickets/9 as Bearer "
}
test_run_holds_its_budget() {
  in_task --quiet --budget requests=2 -- \
    sh -c 'for i in 1 2 3; do curl -s -o /dev/null -w "%{http_code} " "$STINT_URL_DESK/tickets/$i"; done' >"$SPACE/said"
  is "$(cut -d' ' -f1,2 "$SPACE/said")" "200 200"
  is "$(cut -d' ' -f3 "$SPACE/said")" 429
}
test_run_says_who_ended_it() {
  in_task --idle 3s -- sh -c 'echo $STINT_TASK >"$0"; until [ -e "$0.done" ]; do sleep 0.05; done; sleep 2
    git ls-remote "$STINT_URL_DESK/x.git" 2>"$0.git"; exit 4' "$SPACE/ended" 2>"$SPACE/said" & local runner=$!
  wait_for test -s "$SPACE/ended"
  "$STINT" task end "$(cat "$SPACE/ended")" --yes >/dev/null; : >"$SPACE/ended.done"
  local code=0; wait "$runner" || code=$?; is "$code" 4
  has 'ended (before the command; exit status 4)'
  grep -q 'remote error: Stint: ' "$SPACE/ended.git" || fail "git was not told: $(cat "$SPACE/ended.git")"
}
test_addresses_in_clear_are_refused() {
  is "$(status_of "$STINT" --addr http://stint.example task list)" 2; has 'use https://'
  is "$(STINT_ADDR=ftp://x status_of "$STINT" task list)" 2; has 'not an http:// or https:// URL'
}
test_run_wrong_usage() {
  is "$(status_of in_task --budget tokens=5 -- true)" 2; has 'requests=N'
  is "$(status_of "$STINT" run --task x --autonomous --allow desk -- true)" 2
  is "$(status_of "$STINT" run --task x --allow desk:a -- true)" 2
  chmod 644 "$SPACE/agent-test.pem"; is "$(status_of in_task -- true)" 1; has 'chmod 600'
  chmod 600 "$SPACE/agent-test.pem"
}
test_task_verbs() {
  in_task -- sh -c 'echo $STINT_TASK >"$0"; until [ -e "$0.done" ]; do sleep 0.05; done
                    curl -s -o /dev/null -w "%{http_code}" "$STINT_URL_DESK/tickets/1" >"$0.code"' \
    "$SPACE/verbs" >/dev/null 2>&1 & local runner=$!
  wait_for test -s "$SPACE/verbs"
  local task; task=$(cat "$SPACE/verbs")
  is "$("$STINT" task list --state active --json | jq -r '.items[0].id')" "$task"
  is "$(status_of "$STINT" task list)" 0; has 'look at tickets'
  is "$(status_of "$STINT" task show "$task")" 0; has 'desk:ticket.read'
  is "$(status_of "$STINT" task tree "$task")" 0; has "$task"
  is "$("$STINT" task pause "$task" --json | jq -r .state)" paused
  is "$("$STINT" task resume "$task" --json | jq -r .state)" active
  is "$(status_of "$STINT" task end "$task" </dev/null)" 1 "asks"
  is "$("$STINT" task end "$task" --yes --json | jq -r .how)" revoked
  : >"$SPACE/verbs.done"; wait "$runner" || true
  [ "$(cat "$SPACE/verbs.code")" -ge 400 ]
  is "$(status_of "$STINT" task show nonsense)" 2
  receipt() { "$STINT" task receipt "$task" >"$SPACE/receipt" 2>/dev/null; }
  wait_for receipt
  grep -q "$task" "$SPACE/receipt"
}
test_task_open_for_a_program() {
  "$STINT" task open --task "by itself" --autonomous --agent worker --agent-key "$SPACE/agent-test.pem" \
    --dpop-key "$SPACE/agent-test.pem" --allow desk:ticket.read --ttl 1m --json >"$SPACE/said" 2>/dev/null
  [[ $(jq -r .handle "$SPACE/said") == stint_* ]]
  "$STINT" task end "$(jq -r .task "$SPACE/said")" --yes 2>/dev/null
}
test_approvals_are_for_people() {
  is "$("$STINT" approvals --json | jq '.items | length')" 0
  is "$(status_of "$STINT" approve apr_00000000000000000000000000000000 --yes)" 1
  is "$(status_of "$STINT" approve nonsense)" 2
}
test_policy_check_and_test() {
  is "$(status_of "$STINT" policy check "$ROOT/policies")" 0
  is "$(status_of "$STINT" policy test "$ROOT/policies")" 0; has ' 0 failed'
  printf 'permit (principal, action, resource) when { context.nothing };\n' >"$SPACE/bad.cedar"
  is "$(status_of "$STINT" policy check "$SPACE/bad.cedar")" 1; has 'bad.cedar:1'
}
test_log_verbs() {
  "$STINT" log tail -n 5 >"$SPACE/said"; is "$(wc -l <"$SPACE/said")" 5
  "$STINT" log tail --kind task.opened -n 1 --json | jq -e '.event.purpose' >/dev/null
  is "$(status_of "$STINT" log show 0)" 0; has 'kind'
  caught_up() { "$STINT" log prove 0 --out "$SPACE/proof" >/dev/null 2>&1; }
  wait_for caught_up
  local key; key=$("$STINT" log key)
  "$VERIFY" proof "$SPACE/proof/proof" --entry "$SPACE/proof/entry" --key "$key" >/dev/null
  is "$(status_of "$STINT" log verify --key "$key")" 0; has verified
  "$STINT" log export "$SPACE/exported" 2>/dev/null
  "$VERIFY" log "$SPACE/exported" --key "$key" >/dev/null
  [ ! -s "$SPACE/receipt" ] || "$VERIFY" receipt "$SPACE/receipt" --log "$SPACE/exported" --key "$key" >/dev/null
}
test_agent_suspend() {
  is "$(status_of "$STINT" agent suspend worker --yes)" 0
  is "$("$STINT" agent show worker --json | jq -r .status)" suspended
  is "$(status_of in_task -- true)" 1
  is "$(status_of "$STINT" apply -f "$R" --yes)" 0
  is "$("$STINT" agent show worker --json | jq -r .status)" active
}
kid_in() {  # kid_in STATE: of the ES256 key in it
  "$STINT" keys list --state "$1" --json | jq -r '[.items[] | select(.alg == "ES256")][0].kid // ""'
}
signs() { [ "$(kid_in live)" = "$1" ]; }
signer_of_newest() { "$STINT" log tail --kind token.minted -n 1 --json | tail -n 1 | jq -r '.event.kid'; }
# Runs a task whose child calls, waits to be told, and calls again, each answer on a line of its own:
# in between is the caller's.
begin_calls() {
  mkfifo "$SPACE/go.$1"
  in_task --quiet -- sh -c 'code() { curl -s -o /dev/null -w "%{http_code}\n" "$STINT_URL_DESK/tickets/7"; }
    code >"$1"; while read -r _; do code >>"$1"; done <"$0"' "$SPACE/go.$1" "$SPACE/codes.$1" &
  CALLS=$!
  exec 7>"$SPACE/go.$1"
  wait_for has_lines "$1" 1
}
has_lines() { [ "$(cat "$SPACE/codes.$1" 2>/dev/null | wc -l)" -ge "$2" ]; }
call_again() { echo >&7; wait_for has_lines "$1" "$2"; }
end_calls() { exec 7>&-; wait "$CALLS"; }
test_keys_rotate_without_a_refused_token() {
  local old new
  old=$(kid_in live)
  begin_calls rotate
  is "$(signer_of_newest)" "$old"
  is "$(status_of "$STINT" keys rotate --alg ES256)" 0
  has 'is published and signs from'; has "ES256 $old signs now"
  new=$(kid_in next)
  curl -sf "$(jq -r .issuer "$STINT_HOME/ports.json")/oauth/jwks" | jq -e --arg k "$new" 'any(.keys[]; .kid == $k)' >/dev/null
  is "$(status_of "$STINT" keys rotate --alg ES256)" 0; has 'nothing changed'
  wait_for signs "$new"
  call_again rotate 2
  end_calls
  is "$(tr '\n' ' ' <"$SPACE/codes.rotate")" "200 200 "
  is "$(kid_in former)" "$old"
  in_task --quiet -- sh -c 'curl -sf "$STINT_URL_DESK/tickets/8"' >/dev/null
  is "$(signer_of_newest)" "$new"
}
test_keys_rotate_now_says_what_it_costs() {
  local old; old=$(kid_in live)
  is "$(status_of "$STINT" keys rotate --now </dev/null)" 1; has 'refuse new tokens until they fetch it again'
  is "$(kid_in live)" "$old"
  is "$("$STINT" keys rotate --now --yes --alg ES256 --json | jq -r '.changed')" true
  [ "$(kid_in live)" != "$old" ] || fail "the old key still signs"
  is "$(status_of "$STINT" keys rotate --alg HS256)" 1; has 'no key signs with this algorithm'
}
test_keys_revoke_says_and_kills() {
  local old; old=$(kid_in live)
  begin_calls revoke
  is "$(status_of "$STINT" keys revoke "$old" --dry-run)" 0
  has 'kills 2 tokens of 1 open tasks'; has '/u/desk'; has 'not touched: tasks, handles'
  is "$(status_of "$STINT" keys revoke "$old" </dev/null)" 1
  is "$(kid_in live)" "$old" "nobody said yes"
  is "$(status_of "$STINT" keys revoke "$old" --yes)" 0
  has 'killed 2 tokens of 1 open tasks'; has "signs now: $(kid_in live)"
  call_again revoke 2; call_again revoke 3
  end_calls
  is "$(tr '\n' ' ' <"$SPACE/codes.revoke")" "200 401 200 " "refused once, then renewed"
  is "$(kid_in revoked)" "$old"
  is "$(status_of "$STINT" keys revoke "$old" --yes)" 1; has 'the key is revoked already'
  is "$(status_of "$STINT" keys revoke nothing --yes --json)" 1; has 'no such key'
  is "$(status_of "$STINT" keys revoke "$("$STINT" keys list --json | jq -r '.items[] | select(.use == "log").kid')" --yes)" 1
  has "the log's key is its identity"
}
test_keys_revoke_takes_every_id() {  # ids are base64url: one in 64 begins as options do
  local id
  for id in "-$(printf 'k%.0s' {1..42})" "--$(printf 'k%.0s' {1..41})"; do
    is "$(status_of "$STINT" keys revoke "$id" --dry-run)" 1; has 'no such key'
    is "$(status_of "$STINT" keys revoke --yes "$id" --json)" 1; has 'no such key'
    is "$(status_of "$STINT" --home "$STINT_HOME" keys revoke --yes -- "$id")" 1; has 'no such key'
  done
  is "$(status_of "$STINT" keys revoke -k --yes)" 2
}
test_completion_and_man() {
  "$STINT" completion bash | bash -n
  "$STINT" completion fish | grep -q "complete -c stint"
  "$STINT" completion zsh | grep -q compdef
  "$STINT" man | grep -q '^.SS stint run'
  is "$(status_of "$STINT" completion tcsh)" 2
}
test_wrong_usage_is_2() {
  is "$(status_of "$STINT")" 2
  is "$(status_of "$STINT" nonsense)" 2
  is "$(status_of "$STINT" task)" 2
}
test_no_server_is_said() {
  is "$(status_of "$STINT" --home "$SPACE/none" task list)" 2; has 'STINT_HOME'
}
verbs() {  # every verb below these words
  local child children
  children=$("$STINT" "$@" --help | sed -n '/^Subcommands:/,$p' | sed -n 's/^  \([a-z]*\)  .*/\1/p')
  [ -n "$children" ] || { echo "$*"; return; }
  for child in $children; do verbs "$@" "$child"; done
}
test_every_verb_speaks_json() {
  local verb n=0
  while read -r verb; do
    # shellcheck disable=SC2086
    "$STINT" $verb --help | grep -q -- '--json' || fail "stint $verb has no --json"
    n=$((n + 1))
  done < <(verbs)
  [ "$n" -ge 45 ] || fail "only $n verbs were found"
  "$STINT" man --json | jq -e .man >/dev/null
  "$STINT" completion bash --json | jq -e .completion >/dev/null
}
test_serve_says_json_when_it_cannot_start() {
  printf 'nonsense: 1\n' >"$SPACE/wrong.yaml"
  local code=0
  "$STINT" serve --json --config "$SPACE/wrong.yaml" >"$SPACE/said" 2>/dev/null || code=$?
  is $code 2
  jq -e '.ok == false and (.problems | length == 1)' "$SPACE/said" >/dev/null || fail "$(cat "$SPACE/said")"
}
test_dev_forgets() {
  "$STINT" dev --any-port --json --quiet >"$SPACE/dev.json" 2>"$SPACE/dev.log" & local dev=$!
  wait_for test -s "$SPACE/dev.json"
  local home; home=$(jq -r .home "$SPACE/dev.json")
  is "$(STINT_HOME=$home "$STINT" whoami --json | jq -r .kind)" operator
  kill -TERM "$dev"; wait "$dev"
  [ ! -e "$home" ] || fail "$home is still there"
}
test_keys_rewrap_needs_a_stopped_service() {
  printf 'root_key: {path: "%s"}\n' "$SPACE/new-test.key" >"$SPACE/new.yaml"
  is "$(status_of "$STINT" keys rewrap --config "$SPACE/stint.yaml" --new-config "$SPACE/new.yaml" --yes)" 75
  has 'another process has the database open'
  [ ! -e "$SPACE/new-test.key" ] || fail "a key was made for nothing"
}
test_keys_rewrap_wants_one_store() {
  local rewrap=("$STINT" keys rewrap --config "$SPACE/stint.yaml" --new-config "$SPACE/new.yaml" --yes) other
  for other in "path: \"$SPACE/other.db\"" 'url: "postgres://stint@localhost/stint"'; do
    printf 'root_key: {path: "%s"}\nstore: {%s}\n' "$SPACE/new-test.key" "$other" >"$SPACE/new.yaml"
    is "$(status_of "${rewrap[@]}")" 1; has 'the two configurations name different stores'
  done
  printf 'root_key: {path: "%s"}\n' "$SPACE/new-test.key" >"$SPACE/new.yaml"
  is "$(STINT_STORE__PATH="$SPACE/other.db" status_of "${rewrap[@]}")" 1; has 'there is no store'
  [ ! -e "$SPACE/other.db" ] && [ ! -e "$SPACE/new-test.key" ] || fail "something was made for nothing"
}
gone() { ! kill -0 "$SERVER" 2>/dev/null; }
end_server() { gone || kill -TERM "$SERVER"; wait_for gone; }
test_sigterm_drains() {  # it ends the server: what comes after starts one of its own
  end_server
  grep -q '"message":"stopped"' "$SPACE/serve.log"
  [ ! -e "$STINT_HOME/operator.sock" ] && [ ! -e "$STINT_HOME/ports.json" ]
  ! grep -q 4711 "$SPACE/serve.log" || fail "the log tells a secret"
}
test_keys_rewrap_seals_everything_anew() {
  end_server
  local rewrap=("$STINT" keys rewrap --config "$SPACE/stint.yaml" --new-config "$SPACE/new.yaml")
  cat "$SPACE/stint.yaml" >"$SPACE/new.yaml"
  printf 'root_key: {path: "%s"}\n' "$SPACE/new-test.key" >>"$SPACE/new.yaml"
  is "$(status_of "${rewrap[@]}" </dev/null)" 1
  is "$(status_of "$STINT" keys rewrap --config "$SPACE/stint.yaml" --new-config "$SPACE/stint.yaml" --yes)" 1
  has 'the new root key is the old one'
  is "$(status_of "${rewrap[@]}" --yes --json)" 0
  is "$(tail -n 1 "$SPACE/said" | jq '.credentials')" 1
  is "$(stat -c %a "$SPACE/new-test.key")" 600
  is "$(status_of "${rewrap[@]}" --yes)" 1; has 'sealed under another root key'
  is "$(status_of "$STINT" serve --config "$SPACE/stint.yaml")" 1; has 'sealed under another root key'
  "$STINT" serve --config "$SPACE/new.yaml" >"$SPACE/again.out" 2>"$SPACE/again.log" & SERVER=$!
  wait_for test -s "$STINT_HOME/ports.json"
  in_task --quiet -- sh -c 'curl -sf "$STINT_URL_DESK/tickets/9"' | grep -q '/tickets/9 as Bearer'
  is "$("$STINT" log tail --kind root.rewrapped --json | jq -s length)" 1
  kill -TERM "$SERVER"; wait "$SERVER"
}
test_keys_rewrap_to_a_passphrase_and_back() {
  end_server
  cat "$SPACE/stint.yaml" >"$SPACE/words.yaml"
  printf 'root_key: {source: passphrase}\n' >>"$SPACE/words.yaml"
  printf 'a long test passphrase\n' |
    "$STINT" keys rewrap --config "$SPACE/new.yaml" --new-config "$SPACE/words.yaml" --yes 2>"$SPACE/said"
  printf 'a wrong test passphrase\n' |
    "$STINT" keys rewrap --config "$SPACE/words.yaml" --new-config "$SPACE/stint.yaml" --yes 2>"$SPACE/said" &&
    fail "a wrong passphrase was taken"
  has 'sealed under another root key'
  printf 'a long test passphrase\nanother long test passphrase\n' |
    "$STINT" keys rewrap --config "$SPACE/words.yaml" --new-config "$SPACE/words.yaml" --yes 2>"$SPACE/said"
  printf 'another long test passphrase\n' |
    "$STINT" keys rewrap --config "$SPACE/words.yaml" --new-config "$SPACE/stint.yaml" --yes 2>"$SPACE/said"
}
# At a terminal: typed PROMPT ANSWER… -- COMMAND…, the echo being whatever the command makes it.
typed() {
  python3 -c '
import os, pty, sys
cut = sys.argv.index("--")
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[cut + 1], sys.argv[cut + 1:])
said, seen = b"", 0
def read():
    global said
    try: more = os.read(fd, 4096)
    except OSError: more = b""
    said += more
    return bool(more)
for prompt, answer in zip(sys.argv[1:cut:2], sys.argv[2:cut:2]):
    while prompt.encode() not in said[seen:] and read(): pass
    seen = len(said)
    os.write(fd, answer.encode() + b"\n")
while read(): pass
sys.stdout.write(said.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))' "$@"
}
test_keys_rewrap_asks_twice_for_a_new_passphrase() {
  end_server
  cat "$SPACE/stint.yaml" >"$SPACE/words.yaml"
  printf 'root_key: {source: passphrase}\n' >>"$SPACE/words.yaml"
  local to=("$STINT" keys rewrap --config "$SPACE/stint.yaml" --new-config "$SPACE/words.yaml" --yes)
  local new='The new passphrase: ' again='The new passphrase, again: ' one='a typed test passphrase'
  is "$(status_of typed "$new" "$one" "$again" 'another typed test passphrase' -- "${to[@]}")" 1
  has 'the two differ: nothing was done'
  is "$(status_of typed "$new" 'short' "$again" 'short' -- "${to[@]}")" 1; has 'passphrase under 12 bytes'
  is "$(status_of typed "$new" "$one" "$again" "$one" -- "${to[@]}")" 0; has 'are sealed under root key'
  ! grep -qF "$one" "$SPACE/said" || fail "the passphrase is shown"
  local back=("$STINT" keys rewrap --config "$SPACE/words.yaml" --new-config "$SPACE/stint.yaml" --yes)
  is "$(status_of typed "The root key's passphrase: " "$one" -- "${back[@]}")" 0
}
test_backup_says_what_it_holds() {
  end_server
  is "$(status_of "$STINT" backup)" 2
  is "$(status_of "$STINT" backup --to x --verify y)" 2
  is "$(status_of "$STINT" restore --from x)" 2
  is "$(status_of "$STINT" backup --config "$SPACE/stint.yaml" --to "$SPACE/a.backup" --json)" 0
  local said; said=$(tail -n 1 "$SPACE/said")
  is "$(jq -r .database <<<"$said")" sqlite
  is "$("$STINT" backup --verify "$SPACE/a.backup" --json | jq -c 'del(.file)')" "$(jq -c 'del(.file)' <<<"$said")"
  is "$(stat -c %a "$SPACE/a.backup")" 600
  is "$(status_of "$STINT" backup --config "$SPACE/stint.yaml" --to "$SPACE/a.backup")" 1
  has 'a backup is never written over'
  is "$(status_of "$STINT" restore --from "$SPACE/a.backup" --config "$SPACE/stint.yaml")" 1
  has 'a backup is restored into a new place'
  is "$(status_of "$STINT" backup --verify "$SPACE/nothing")" 1; has 'there is no such backup'
  ! grep -qF 4711 "$SPACE/a.backup" || fail "the backup tells a secret"
}
test_restore_under_a_passphrase() {
  end_server
  cat "$SPACE/stint.yaml" >"$SPACE/words.yaml"
  printf 'root_key: {source: passphrase}\n' >>"$SPACE/words.yaml"
  printf 'a long test passphrase\n' |
    "$STINT" keys rewrap --config "$SPACE/stint.yaml" --new-config "$SPACE/words.yaml" --yes 2>"$SPACE/said"
  "$STINT" backup --config "$SPACE/words.yaml" --to "$SPACE/words.backup" </dev/null
  cat "$SPACE/words.yaml" >"$SPACE/place.yaml"
  printf 'store: {path: "%s"}\n' "$SPACE/restored.db" >>"$SPACE/place.yaml"
  local restore=("$STINT" restore --from "$SPACE/words.backup" --config "$SPACE/place.yaml")
  printf 'a wrong test passphrase\n' | "${restore[@]}" 2>"$SPACE/said" && fail "a wrong passphrase was taken"
  has 'sealed under another root key'
  [ ! -e "$SPACE/restored.db" ] || fail "something was restored"
  printf 'a long test passphrase\n' | "${restore[@]}" --json >"$SPACE/said"
  is "$(jq ".revoked_keys >= 3" "$SPACE/said")" true
  is "$(jq .sealed_credentials "$SPACE/said")" 1
  is "$(stat -c %a "$SPACE/restored.db")" 600
  printf 'a long test passphrase\n' |
    "$STINT" keys rewrap --config "$SPACE/words.yaml" --new-config "$SPACE/stint.yaml" --yes 2>"$SPACE/said"
}

for test in $(grep -o '^test_[a-z_0-9]*' "$0"); do run_test "$test"; done
for name in "${FAILED[@]}"; do echo "failed: $name"; done
echo "$PASSED passed, ${#FAILED[@]} failed"
[ ${#FAILED[@]} -eq 0 ] && [ "$PASSED" -gt 0 ]
