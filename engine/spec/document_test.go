package spec

import (
	"errors"
	"testing"

	"go.yaml.in/yaml/v3"
)

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic(errors.New("not expected")) }

func TestDecodeSurvivesItsPackage(t *testing.T) {
	err := decode(yaml.NewDecoder(panicking{}), &yaml.Node{})
	if err == nil || err.Error() != "yaml: the parser gave up: not expected" {
		t.Errorf("got %v", err)
	}
}
