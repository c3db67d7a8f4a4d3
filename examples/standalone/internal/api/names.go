package api

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tidewire/tidewire/push"
)

var errNames = push.NewError(push.CodeBadRequest, "a name is there twice, or in another case than openapi.json has it", nil)

// checkNames refuses a body, which could be read, in which a name is there twice or in another
// case: encoding/json takes both, and makes a mixture of two lists. What is in data is the
// backend's matter.
func checkNames(text []byte) error {
	return checkNamesOf(json.NewDecoder(bytes.NewReader(text)))
}

// checkNamesOf checks the next value.
func checkNamesOf(d *json.Decoder) error {
	token, err := d.Token()
	delimiter, _ := token.(json.Delim)
	if err != nil || delimiter == 0 {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		if delimiter == '[' {
			if err := checkNamesOf(d); err != nil {
				return err
			}
			continue
		}
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if seen[name] || strings.ContainsFunc(name, func(r rune) bool { return r < 'a' || r > 'z' }) {
			return errNames
		}
		seen[name] = true
		if name == "data" {
			var data json.RawMessage
			err = d.Decode(&data)
		} else {
			err = checkNamesOf(d)
		}
		if err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
