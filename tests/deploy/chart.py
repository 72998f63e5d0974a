"""deploy/helm/stint: helm's own linter, every object decoded strictly into its published type, and
what the chart promises read from the objects. The linters are shown to find what is planted."""

import json
import os
import re
import shutil
import ssl
import subprocess
import urllib.request

import boot
import processes
from suite import contains, equal, expect

CHART = os.path.join(boot.ROOT, "deploy", "helm", "stint")
KUBERNETES = "1.27.0"  # of the types in tests/deploy/tools/go.mod
EXAMPLES = ("example", "everything")


def values(name, chart=CHART):
    return ["--values", os.path.join(chart, "ci", f"{name}-values.yaml")]


def helm(w, *words):
    home = w.space.dir("helm")  # no plugin and no repository of whoever runs this
    return w.space.run(["helm", *words], env={"HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home,
                                              "HELM_DATA_HOME": home})


def template(w, name="example", *words, chart=CHART):
    return helm(w, "template", "stint", chart, "--namespace", "stint", "--kube-version", KUBERNETES,
                *values(name, chart), *words)


def check(w, manifests):
    return w.space.run(["chartcheck"], input=manifests)


def objects(w, name="example", *words):
    done = template(w, name, *words)
    equal(done.returncode, 0, done.stderr)
    read = check(w, done.stdout)
    equal(read.returncode, 0, read.stderr)
    return json.loads(read.stdout)


def only(found, kind, name="stint"):
    named = [o for o in found if o["kind"] == kind and o["metadata"]["name"] == name]
    equal(len(named), 1, f"{kind} {name}")
    return named[0]


def pod_of(found):
    return only(found, "Deployment")["spec"]["template"]["spec"]


def broken(w, path, good, bad):
    """A copy of the chart with one thing changed."""
    copy = os.path.join(w.space.dir("broken"), "stint")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(CHART, copy)
    with open(os.path.join(copy, path)) as f:
        text = f.read()
    expect(good in text, f"{good!r} is in {path}")
    with open(os.path.join(copy, path), "w") as f:
        f.write(text.replace(good, bad, 1))
    return copy


def test_chart_lints(w):
    for name in EXAMPLES:
        done = helm(w, "lint", "--strict", *values(name), CHART)
        equal(done.returncode, 0, done.stdout + done.stderr)


def test_lint_finds_what_is_planted(w):
    for path, good, bad, said in (
            ("Chart.yaml", "version: 0.1.0", "version: first", "is not a valid SemVer"),
            ("templates/service.yaml", 'include "stint.selector"', 'include "stint.selected"',
             'no template "stint.selected"'),
            ("templates/configmap.yaml", "kind: ConfigMap", "kind: ConfigMap:", "unable to parse YAML"),
            ("values.yaml", "replicas: 3", "replicas: many", "replicas: Invalid type"),
            ("values.yaml", "replicas: 3", "replicas: 3\nreplica: 4",
             "Additional property replica is not allowed")):
        chart = broken(w, path, good, bad)
        done = helm(w, "lint", "--strict", *values("example", chart), chart)
        expect(done.returncode != 0, f"{bad!r} is not found")
        contains(done.stdout + done.stderr, said)


def test_every_object_is_what_its_type_says(w):
    kinds = {name: sorted(o["kind"] for o in objects(w, name)) for name in EXAMPLES}
    plain = ["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "Service",
             "Service", "ServiceAccount"]
    equal(kinds["example"], plain)
    equal(kinds["everything"], sorted([*plain, "ServiceMonitor"]))


def test_types_find_what_is_planted(w):
    for path, good, bad, said in (
            ("templates/deployment.yaml", "livenessProbe:", "livenessProb:",
             'unknown field "livenessProb"'),
            ("templates/deployment.yaml", "runAsNonRoot: true", 'runAsNonRoot: "yes"',
             "cannot unmarshal string into Go struct field"),
            ("templates/deployment.yaml", "revisionHistoryLimit: 5",
             "replicas: 2\n  revisionHistoryLimit: 5", 'key "replicas" already set in map'),
            ("templates/poddisruptionbudget.yaml", "maxUnavailable:", "maxUnavailble:",
             'unknown field "maxUnavailble"'),
            ("templates/servicemonitor.yaml", "interval:", "intervall:",
             'unknown field "intervall"'),
            ("templates/serviceaccount.yaml", "kind: ServiceAccount", "kind: Secret",
             "no such kind is expected")):
        done = template(w, "everything", chart=broken(w, path, good, bad))
        equal(done.returncode, 0, done.stderr)
        read = check(w, done.stdout)
        equal(read.returncode, 1, f"{bad!r} is not found")
        contains(read.stderr, said)


def test_values_that_are_needed_or_wrong_are_refused(w):
    for setting, said in (
            ("server.issuer=", "server.issuer"), ("server.gateway=http://x", "server.gateway"),
            ("server.trustDomain=", "server.trustDomain"), ("secrets.rootKey=", "secrets.rootKey"),
            ("secrets.tls=", "secrets.tls"), ("secrets.postgres.name=", "secrets.postgres.name"),
            ("secrets.postgres.url=x", "Additional property url is not allowed"),
            ("secrets.rootKeyValue=x", "Additional property rootKeyValue is not allowed"),
            ("replicas=0", "replicas"), ("podDisruptionBudget.maxUnavailable=0", "maxUnavailable"),
            ("image.digest=sha256:1", "image.digest"), ("antiAffinity=none", "antiAffinity"),
            ("config.store.url=postgres://x", "config.store is decided by the chart"),
            ("config.tls.cert_file=x", "config.tls is decided by the chart"),
            ("config.limits.drain_timeout=1h", "config.limits.drain_timeout: seconds or minutes")):
        done = template(w, "example", "--set", setting)
        expect(done.returncode != 0, f"{setting} is taken")
        contains(done.stderr, said)


def test_pods_have_no_rights(w):
    """What the Pod Security Standard "restricted" asks for, and a root that cannot be written to."""
    for name in EXAMPLES:
        found = objects(w, name)
        pod = pod_of(found)
        for host in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
            expect(not pod.get(host), host)
        equal(pod["securityContext"]["runAsNonRoot"], True)
        expect(pod["securityContext"]["runAsUser"] > 0, "a user that is not root")
        equal(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
        equal(pod["automountServiceAccountToken"], False)
        equal(only(found, "ServiceAccount")["automountServiceAccountToken"], False)
        for container in pod["containers"]:
            context = container["securityContext"]
            equal(context["allowPrivilegeEscalation"], False)
            equal(context["readOnlyRootFilesystem"], True)
            equal(context["privileged"], False)
            equal(context["capabilities"], {"drop": ["ALL"]})
            expect("memory" in container["resources"]["limits"], "memory is bounded")
        kinds = [next(k for k in v if k != "name") for v in pod["volumes"]]
        expect(set(kinds) <= {"configMap", "secret", "projected", "emptyDir"}, f"volumes: {kinds}")
        sources = [s for v in pod["volumes"] for s in v.get("projected", {}).get("sources", [])]
        expect(all(set(s) == {"secret"} for s in sources), f"projected: {sources}")  # no token


def test_secrets_are_only_named(w):
    for name in EXAMPLES:
        found = objects(w, name)
        expect("Secret" not in {o["kind"] for o in found}, "no Secret is made")
        for variable in pod_of(found)["containers"][0]["env"]:
            if "URL" in variable["name"]:
                expect("value" not in variable and "secretKeyRef" in variable["valueFrom"], variable)
        for volume in pod_of(found)["volumes"]:
            if volume["name"] == "root-key":  # the program refuses a key that others may read
                equal(volume["secret"]["defaultMode"] & 0o007, 0)


def test_selectors_meet_and_ports_exist(w):
    for name in EXAMPLES:
        found = objects(w, name)
        template_ = only(found, "Deployment")["spec"]["template"]
        labels = template_["metadata"]["labels"]
        ports = {p["name"] for p in template_["spec"]["containers"][0]["ports"]}

        def meets(selector, what):
            expect(selector and selector.items() <= labels.items(), f"{what}: {selector}")
        meets(only(found, "Deployment")["spec"]["selector"]["matchLabels"], "Deployment")
        meets(only(found, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"], "budget")
        meets(only(found, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"], "policy")
        for service in (o for o in found if o["kind"] == "Service"):
            meets(service["spec"]["selector"], service["metadata"]["name"])
            expect({p["targetPort"] for p in service["spec"]["ports"]} <= ports, "target ports")
        for rule in only(found, "NetworkPolicy")["spec"]["ingress"]:
            expect({p["port"] for p in rule["ports"]} <= ports, "ports of the policy")
        equal(len(template_["spec"]["topologySpreadConstraints"]), 2)
        for spread in template_["spec"]["topologySpreadConstraints"]:
            meets(spread["labelSelector"]["matchLabels"], spread["topologyKey"])
        anti = template_["spec"]["affinity"]["podAntiAffinity"]
        for term in anti.get("requiredDuringSchedulingIgnoredDuringExecution") or [
                p["podAffinityTerm"] for p in anti["preferredDuringSchedulingIgnoredDuringExecution"]]:
            meets(term["labelSelector"]["matchLabels"], term["topologyKey"])
    monitor = only(found, "ServiceMonitor")
    operations = only(found, "Service", "stint-operations")
    expect(monitor["spec"]["selector"]["matchLabels"].items()
           <= operations["metadata"]["labels"].items(), "the monitor finds its service")
    equal(monitor["spec"]["endpoints"][0]["port"], operations["spec"]["ports"][0]["name"])


def test_no_call_is_lost_when_a_pod_goes(w):
    for name, drain in (("example", 30), ("everything", 120)):
        found = objects(w, name)
        deployment, pod = only(found, "Deployment")["spec"], pod_of(found)
        rolling = deployment["strategy"]["rollingUpdate"]
        equal((rolling["maxUnavailable"], rolling["maxSurge"]), (0, 1))
        container = pod["containers"][0]
        command = container["lifecycle"]["preStop"]["exec"]["command"]
        equal(command[0], "/usr/bin/sleep")
        with open(os.path.join(boot.ROOT, "apps/stint/serve.cc")) as f:
            after = int(re.search(r"kAfterTheDrain\{(\d+)\}", f.read())[1])
        equal(pod["terminationGracePeriodSeconds"], int(command[1]) + drain + after)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            get = container[probe]["httpGet"]
            equal(get["scheme"], "HTTPS", "beyond loopback there is only TLS")
            equal(get["path"], "/readyz" if probe == "readinessProbe" else "/healthz")


def test_metrics_are_for_who_is_named(w):
    def ports(name):
        ingress = only(objects(w, name), "NetworkPolicy")["spec"]["ingress"]
        return [sorted(p["port"] for p in rule["ports"]) for rule in ingress]
    equal(ports("example"), [["control", "gateway"]])
    equal(ports("everything"), [["control", "gateway"], ["operations"]])
    done = template(w, "example", "--set", "networkPolicy.enabled=false")
    expect("NetworkPolicy" not in done.stdout, "it can be left to others")


def test_config_and_probes_meet_the_program(w):
    """The program takes the stint.yaml of the chart, and answers its probes; on free ports, at files
    of our own, and without the URL of a PostgreSQL, so that it keeps its state beside its socket."""
    for name in EXAMPLES:
        found = objects(w, name)
        container = pod_of(found)["containers"][0]
        config = w.space.file(f"pod-{name}/stint.yaml", only(found, "ConfigMap")["data"]["stint.yaml"])
        home = os.path.join(w.space.path, f"pod-{name}", "run", "home")
        files = w.space.dir(f"pod-{name}/files")
        w.space.file(f"pod-{name}/files/stint-root-key", os.urandom(32), 0o440)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", files + "/tls.key", "-out", files + "/tls.crt"], check=True,
                       capture_output=True)
        log = f"pod-{name}/serve.log"
        environment = {"STINT_HOME": home, "CREDENTIALS_DIRECTORY": files,
                       "STINT_TLS__CERT_FILE": files + "/tls.crt",
                       "STINT_TLS__KEY_FILE": files + "/tls.key", "STINT_LISTEN__CONTROL": "0.0.0.0:0",
                       "STINT_LISTEN__GATEWAY": "0.0.0.0:0", "STINT_LISTEN__OPERATIONS": "0.0.0.0:0"}
        equal(container["args"][:2], ["serve", "--config"])
        process = w.space.start([w.binary, "serve", "--config", config], log, environment)
        ports = os.path.join(home, "ports.json")
        processes.wait_until("ports.json " + w.space.log(log), lambda: os.path.exists(ports),
                             process=process)
        with open(ports) as f:
            port = json.load(f)["operations_port"]
        unverified = ssl._create_unverified_context()  # as the kubelet asks
        for probe in ("livenessProbe", "readinessProbe"):
            get = container[probe]["httpGet"]
            url = f"{get['scheme'].lower()}://127.0.0.1:{port}{get['path']}"
            with urllib.request.urlopen(url, context=unverified, timeout=5) as answer:
                equal(answer.status, 200, url)
        equal(os.stat(home).st_mode & 0o777, 0o700, "its own directory")
        equal(w.space.stop(process), 0, w.space.log(log))
