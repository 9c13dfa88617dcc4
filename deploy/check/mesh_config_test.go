package deploycheck

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	meshconfig "istio.io/api/mesh/v1alpha1"
	"sigs.k8s.io/yaml"
)

// Blocks of YAML on the page.
var blocks = regexp.MustCompile("(?ms)^```yaml.*?\n(.*?)^```$")

// parse refuses fields that Istio does not know.
func parse(text string) (*meshconfig.MeshConfig, error) {
	var values map[string]any
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		return nil, err
	}
	// A config map of Istio has the configuration as text.
	if data, ok := values["data"].(map[string]any); ok {
		return parse(data["mesh"].(string))
	}
	if spec, ok := values["spec"].(map[string]any); ok {
		values = spec
	}
	if nested, ok := values["meshConfig"].(map[string]any); ok {
		values = nested
	}
	json, err := yaml.Marshal(values)
	if err != nil {
		return nil, err
	}
	if json, err = yaml.YAMLToJSON(json); err != nil {
		return nil, err
	}
	config := &meshconfig.MeshConfig{}
	return config, protojson.Unmarshal(json, config)
}

func TestMeshConfigOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/envoy.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, block := range blocks.FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(block[1], "extensionProviders:") {
			continue
		}
		found++
		config, err := parse(block[1])
		if err != nil {
			t.Fatalf("%v in\n%s", err, block[1])
		}
		for _, provider := range config.GetExtensionProviders() {
			if grpc := provider.GetEnvoyExtAuthzGrpc(); grpc != nil && grpc.GetStatusOnError() != "503" {
				t.Errorf("%s answers an outage with %q", provider.GetName(), grpc.GetStatusOnError())
			}
		}
	}
	// Istio's mesh configuration has no custom resource definition, so that no other check sees it.
	if found == 0 {
		t.Fatal("docs/envoy.md has no mesh configuration")
	}
}

func TestMeshConfigRefusesMisspeltFields(t *testing.T) {
	_, err := parse("meshConfig:\n  extensionProviders:\n    - name: a\n      envoyExtAuthzGrpc: {servce: a}\n")
	if err == nil || !strings.Contains(err.Error(), "servce") {
		t.Fatalf("parsed: %v", err)
	}
}
