// Package deploy_test checks what goes with the binary.
package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	strict "sigs.k8s.io/json"

	"hairpin/engine/metrics"
	"hairpin/engine/spec"
)

// manifest is the objects of a file by kind, decoded as the API server does it: no field that a type has not.
func manifest(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	objects := map[string]any{}
	for documents := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var raw map[string]any
		if err := documents.Decode(&raw); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		kind, version := raw["kind"].(string), raw["apiVersion"].(string)
		object := map[string]any{"v1 Namespace": &core.Namespace{}, "v1 ServiceAccount": &core.ServiceAccount{}, "v1 ConfigMap": &core.ConfigMap{},
			"rbac.authorization.k8s.io/v1 ClusterRole": &rbac.ClusterRole{}, "rbac.authorization.k8s.io/v1 ClusterRoleBinding": &rbac.ClusterRoleBinding{},
			"apps/v1 DaemonSet": &apps.DaemonSet{}}[version+" "+kind]
		if object == nil {
			t.Fatalf("%s has a %s %s, which nobody expects", file, version, kind)
		}
		data, err := json.Marshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		faults, err := strict.UnmarshalStrict(data, object)
		if err = errors.Join(append(faults, err)...); err != nil {
			t.Errorf("%s: %s: %v", file, kind, err)
		}
		objects[kind] = object
	}
}

// TestManifest: the pod has what the engine needs of the host and no more, and is asked where the engine answers.
func TestManifest(t *testing.T) {
	objects := manifest(t, "kubernetes.yaml")
	pod := objects["DaemonSet"].(*apps.DaemonSet).Spec.Template.Spec
	c := pod.Containers[0]
	if !pod.HostNetwork || pod.HostPID || pod.HostIPC || len(pod.Containers) != 1 || len(pod.InitContainers) != 0 {
		t.Errorf("the pod: %+v", pod)
	}
	s := c.SecurityContext
	var has []string
	for _, capability := range s.Capabilities.Add {
		has = append(has, string(capability))
	}
	if strings.Join(has, " ") != "BPF NET_ADMIN PERFMON" || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" ||
		s.Privileged != nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem {
		t.Errorf("privileges: %+v", s)
	}
	address := netip.MustParseAddrPort(metrics.DefaultAddress)
	for _, p := range []*core.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if p.HTTPGet == nil || p.HTTPGet.Host != address.Addr().String() || p.HTTPGet.Port.IntValue() != int(address.Port()) || p.HTTPGet.Path != "/metrics" {
			t.Errorf("a probe asks %+v, and metrics are at %s", p.HTTPGet, address)
		}
	}
	if strings.Join(c.Args, " ") != "run --metrics on" {
		t.Errorf("arguments %q", c.Args)
	}
	paths := map[string]string{}
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			paths[v.Name] = v.HostPath.Path
		}
	}
	for _, m := range c.VolumeMounts {
		if host, of := paths[m.Name]; of && host != m.MountPath {
			t.Errorf("%s is %s in the pod and %s on the host", m.Name, m.MountPath, host)
		}
	}
	if paths["bpffs"] != "/sys/fs/bpf" || paths["state"] == "" || paths["run"] == "" {
		t.Errorf("of the host: %v", paths)
	}
	document := objects["ConfigMap"].(*core.ConfigMap).Data["spec.yaml"]
	if _, err := spec.Parse("spec.yaml", []byte(document)); err != nil {
		t.Error(err)
	}
}

// TestExplained: the README says of every file here what it is.
func TestExplained(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name != "README.md" && !strings.HasSuffix(name, "_test.go") && !bytes.Contains(text, []byte("`"+name)) {
			t.Errorf("README.md does not mention %s", name)
		}
	}
	for part := range strings.SplitSeq(string(text), "\n## ") {
		if lines := strings.Count(strings.TrimSpace(part), "\n") + 1; lines > 12 {
			t.Errorf("%.30q has %d lines: ten explain a thing", part, lines)
		}
	}
}
