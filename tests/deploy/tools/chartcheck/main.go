// chartcheck reads what `helm template` wrote, decodes every object strictly into the type that its
// API group publishes, and writes them all as one JSON array. An unknown kind, an unknown or doubled
// field and a value of the wrong type end it with 1 and a line that says where.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	stream "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// What the chart may make. A Secret is not among them.
var types = map[string]func() any{
	"v1 ConfigMap":                            func() any { return new(core.ConfigMap) },
	"v1 Service":                              func() any { return new(core.Service) },
	"v1 ServiceAccount":                       func() any { return new(core.ServiceAccount) },
	"apps/v1 Deployment":                      func() any { return new(apps.Deployment) },
	"policy/v1 PodDisruptionBudget":           func() any { return new(policy.PodDisruptionBudget) },
	"networking.k8s.io/v1 NetworkPolicy":      func() any { return new(networking.NetworkPolicy) },
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return new(monitoring.ServiceMonitor) },
}

func check(document []byte) (any, error) {
	var head meta.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &head); err != nil {
		return nil, err
	}
	kind := head.APIVersion + " " + head.Kind
	what := fmt.Sprintf("%s %q", kind, head.Name)
	fresh, known := types[kind]
	if !known {
		return nil, fmt.Errorf("%s: no such kind is expected", what)
	}
	object := fresh()
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return object, nil
}

func run(in io.Reader, out io.Writer) error {
	reader := stream.NewYAMLReader(bufio.NewReader(in))
	objects := []any{}
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return json.NewEncoder(out).Encode(objects)
		}
		if err != nil {
			return err
		}
		var content any
		if err := yaml.Unmarshal(document, &content); err != nil {
			return err
		}
		if content == nil { // nothing but comments
			continue
		}
		object, err := check(document)
		if err != nil {
			return err
		}
		objects = append(objects, object)
	}
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "chartcheck:", err)
		os.Exit(1)
	}
}
