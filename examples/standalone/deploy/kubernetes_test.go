package deploy

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"github.com/tidewire/tidewire/examples/standalone/internal/config"
)

// manifests are the objects of kubernetes.yaml.
type manifests struct {
	config     core.ConfigMap
	deployment apps.Deployment
	service    core.Service
	budget     policy.PodDisruptionBudget
}

// readManifests decodes them strictly: a field that Kubernetes doesn't know, or that is there
// twice, is an error.
func readManifests(t *testing.T) (m manifests) {
	t.Helper()
	text, err := os.ReadFile("kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	into := map[string]any{
		"v1 ConfigMap": &m.config, "apps/v1 Deployment": &m.deployment, "v1 Service": &m.service, "policy/v1 PodDisruptionBudget": &m.budget,
	}
	for part := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var kind struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(part, &kind); err != nil {
			t.Fatal(err)
		}
		name := kind.APIVersion + " " + kind.Kind
		if into[name] == nil {
			t.Fatalf("%s is unexpected, or there twice", name)
		}
		if err := yaml.UnmarshalStrict(part, into[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		delete(into, name)
	}
	for name := range into {
		t.Errorf("there is no %s", name)
	}
	return m
}

// load reads the configuration as a pod does.
func (m *manifests) load(t *testing.T, args ...string) config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, []byte(m.config.Data["config.json"]), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load([]string{"-config", file}, args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded.Unknown) > 0 {
		t.Errorf("variables that are no settings: %v", loaded.Unknown)
	}
	return loaded.Config
}

func TestManifestsFitTogether(t *testing.T) {
	m := readManifests(t)
	labels := m.deployment.Spec.Template.Labels
	for name, selector := range map[string]map[string]string{
		"deployment": m.deployment.Spec.Selector.MatchLabels, "service": m.service.Spec.Selector, "budget": m.budget.Spec.Selector.MatchLabels,
		"spread": m.deployment.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
	} {
		if len(selector) == 0 || !reflect.DeepEqual(selector, labels) {
			t.Errorf("%s selects %v, and pods have %v", name, selector, labels)
		}
	}
	pod := m.deployment.Spec.Template.Spec
	container := pod.Containers[0]
	if pod.Volumes[0].ConfigMap.Name != m.config.Name || container.VolumeMounts[0].Name != pod.Volumes[0].Name ||
		!strings.HasPrefix(container.Args[1], container.VolumeMounts[0].MountPath+"/") {
		t.Error("the configuration isn't where the server looks")
	}
	ports := map[string]int32{}
	for _, port := range container.Ports {
		ports[port.Name] = port.ContainerPort
	}
	if target := m.service.Spec.Ports[0].TargetPort.StrVal; ports[target] == 0 {
		t.Errorf("the service's port %q isn't the container's", target)
	}
	c := m.load(t)
	if c.Addr != fmt.Sprintf("0.0.0.0:%d", ports["http"]) || c.Ops != fmt.Sprintf("0.0.0.0:%d", ports["ops"]) {
		t.Errorf("it listens on %s and %s, and has the ports %v", c.Addr, c.Ops, ports)
	}
	for name, probe := range map[string]*core.Probe{"/healthz": container.LivenessProbe, "/readyz": container.ReadinessProbe} {
		if probe.HTTPGet.Path != name || probe.HTTPGet.Port.StrVal != "ops" {
			t.Errorf("%s is asked for at %s, %s", name, probe.HTTPGet.Path, probe.HTTPGet.Port.String())
		}
	}
}

// TestDrainFits: a pod may take as long to end as its configuration says.
func TestDrainFits(t *testing.T) {
	m := readManifests(t)
	drain := m.load(t).Drain
	needed := time.Duration(drain.Delay+drain.Window) + 5*time.Second
	if grace := time.Duration(*m.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second; grace < needed+5*time.Second {
		t.Errorf("a pod may take %v to end, and needs %v", grace, needed)
	}
	ready := m.deployment.Spec.Template.Spec.Containers[0].ReadinessProbe
	if unready := time.Duration(ready.PeriodSeconds*ready.FailureThreshold) * time.Second; time.Duration(drain.Delay) < unready {
		t.Errorf("it takes %v until a pod isn't ready, and its clients leave after %v", unready, time.Duration(drain.Delay))
	}
	if update := m.deployment.Spec.Strategy.RollingUpdate; update.MaxUnavailable.IntValue() != 0 || update.MaxSurge.IntValue() != 1 {
		t.Errorf("an update is %v", update)
	}
}

// TestVariablesAreSettings, and secrets come from a Secret.
func TestVariablesAreSettings(t *testing.T) {
	m := readManifests(t)
	container := m.deployment.Spec.Template.Spec.Containers[0]
	var environ []string
	for _, variable := range container.Env {
		if variable.ValueFrom != nil {
			if variable.ValueFrom.SecretKeyRef == nil {
				t.Errorf("%s is no secret", variable.Name)
			}
			variable.Value = "redis://secret"
		}
		environ = append(environ, variable.Name+"="+variable.Value)
	}
	c := m.load(t, environ...)
	if c.PublishKey == "" || c.Redis == "" || c.Addr != "0.0.0.0:8080" {
		t.Errorf("%+v", c)
	}
	limit := container.Resources.Limits.Memory().Value()
	var soft config.Bytes
	for _, variable := range container.Env {
		if variable.Name == "GOMEMLIMIT" {
			if err := soft.UnmarshalText([]byte(variable.Value)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if int64(soft) < limit/2 || int64(soft) > limit*9/10 {
		t.Errorf("GOMEMLIMIT is %d of %d bytes", soft, limit)
	}
}

func TestPodsAreRestricted(t *testing.T) {
	pod := readManifests(t).deployment.Spec.Template.Spec
	c := pod.Containers[0].SecurityContext
	if !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser == 0 || *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem ||
		len(c.Capabilities.Drop) != 1 || *pod.AutomountServiceAccountToken {
		t.Errorf("%+v, %+v", pod.SecurityContext, c)
	}
}
