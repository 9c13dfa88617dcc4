package deploycheck

import (
	"context"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// load reads a Compose file as docker compose does, with the services of all profiles.
func load(file string) (*types.Project, error) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithProfiles([]string{"*"}))
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func TestCompose(t *testing.T) {
	project, err := load("../compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sessiond", "migrate"} {
		service, err := project.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		if !service.ReadOnly || strings.Join(service.CapDrop, ",") != "ALL" ||
			strings.Join(service.SecurityOpt, ",") != "no-new-privileges:true" {
			t.Errorf("%s may do more than it needs", name)
		}
		for variable, value := range service.Environment {
			if value == nil {
				t.Errorf("%s takes %s from the shell", name, variable)
			}
		}
	}
	for name, secret := range project.Secrets {
		if secret.File == "" {
			t.Errorf("the secret %s is no file", name)
		}
	}
	for name, service := range project.Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %s on %q", name, port.Published, port.HostIP)
			}
		}
	}
}

func TestComposeRefusesMisspeltFields(t *testing.T) {
	if _, err := load("testdata/misspelt-compose.yaml"); err == nil || !strings.Contains(err.Error(), "enviroment") {
		t.Fatalf("loaded: %v", err)
	}
}
