package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// description is openapi.json, as far as the tests read it.
type description struct {
	Paths      map[string]map[string]operation
	Components struct {
		Schemas   map[string]schema
		Responses map[string]response
	}
}

type operation struct {
	Parameters []struct {
		Name     string
		Required bool
		Example  any
	}
	RequestBody *struct {
		Content map[string]struct {
			Schema   schema
			Examples map[string]struct{ Value json.RawMessage }
		}
	}
	Responses map[string]response
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]struct{ Schema schema }
}

type schema struct {
	Ref                  string `json:"$ref"`
	Type                 string
	Properties           map[string]schema
	Required             []string
	AdditionalProperties any
	Items                *schema
	Enum                 []string
	OneOf                []schema
}

func readDescription(t *testing.T) (d description) {
	t.Helper()
	text, err := os.ReadFile("../../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDescriptionHasRoutesAndStatuses: each that is in the code is in openapi.json, and no
// other.
func TestDescriptionHasRoutesAndStatuses(t *testing.T) {
	d := readDescription(t)
	described := map[string][]int{}
	for path, operations := range d.Paths {
		for method, o := range operations {
			var statuses []int
			for status := range o.Responses {
				n, err := strconv.Atoi(status)
				if err != nil {
					t.Errorf("%s: the status %s", path, status)
				}
				statuses = append(statuses, n)
			}
			described[strings.ToUpper(method)+" "+path] = slices.Sorted(slices.Values(statuses))
		}
	}
	for _, route := range routes {
		name := route.method + " " + route.path
		if want := slices.Sorted(slices.Values(slices.Concat(ofAll, route.statuses))); !slices.Equal(described[name], want) {
			t.Errorf("%s: openapi.json has %v, the code %v", name, described[name], want)
		}
		delete(described, name)
	}
	if len(described) > 0 {
		t.Errorf("openapi.json has routes that aren't in the code: %v", slices.Collect(maps.Keys(described)))
	}
}

// TestExamplesOfTheDescription makes each request that openapi.json shows, and compares the
// answer with its schema. TestFields is the other direction.
func TestExamplesOfTheDescription(t *testing.T) {
	d, site := readDescription(t), newSite(t)
	site.follow(t, "rooms/7")
	for _, route := range routes {
		o := d.Paths[route.path][strings.ToLower(route.method)]
		query := url.Values{}
		for _, p := range o.Parameters {
			if p.Example == nil {
				t.Errorf("%s: the parameter %s has no example", route.path, p.Name)
			}
			query.Set(p.Name, fmt.Sprint(p.Example))
		}
		bodies := map[string]string{"without a body": ""}
		if o.RequestBody != nil {
			delete(bodies, "without a body")
			for name, example := range o.RequestBody.Content["application/json"].Examples {
				bodies[name] = string(example.Value)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(bodies)) {
			status, answer := site.do(t, route.method, route.path+"?"+query.Encode(), bodies[name])
			if status/100 != 2 {
				t.Errorf("%s, %s: %d %s", route.path, name, status, answer)
				continue
			}
			if bodies[name] != "" {
				d.check(t, route.path+", the example "+name, o.RequestBody.Content["application/json"].Schema, []byte(bodies[name]))
			}
			d.checkAnswer(t, route, status, answer)
		}
	}
}

// checkAnswer compares an answer with what openapi.json says of its status.
func (d *description) checkAnswer(t *testing.T, route route, status int, answer string) {
	t.Helper()
	name := fmt.Sprintf("%s, status %d", route.path, status)
	r, ok := d.Paths[route.path][strings.ToLower(route.method)].Responses[strconv.Itoa(status)]
	if !ok {
		t.Errorf("%s isn't in openapi.json: %s", name, answer)
		return
	}
	if r.Ref != "" {
		r = d.Components.Responses[r.Ref[strings.LastIndexByte(r.Ref, '/')+1:]]
	}
	if status == http.StatusNoContent {
		if answer != "" {
			t.Errorf("%s: %s", name, answer)
		}
		return
	}
	d.check(t, name, r.Content["application/json"].Schema, []byte(answer))
}

func (d *description) check(t *testing.T, name string, s schema, text []byte) {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Errorf("%s: %q: %v", name, text, err)
		return
	}
	if err := d.fits(s, value); err != nil {
		t.Errorf("%s: %s: %v", name, text, err)
	}
}

// fits says what in a value isn't as its schema says.
func (d *description) fits(s schema, value any) error {
	switch {
	case s.Ref != "":
		named, ok := d.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
		if !ok {
			return fmt.Errorf("there is no %s", s.Ref)
		}
		return d.fits(named, value)
	case s.OneOf != nil:
		var errs []error
		for _, one := range s.OneOf {
			if err := d.fits(one, value); err != nil {
				errs = append(errs, err)
			}
		}
		if len(errs) != len(s.OneOf)-1 {
			return fmt.Errorf("not exactly one of several: %v", errs)
		}
		return nil
	}
	ok := true
	switch v := value.(type) {
	case map[string]any:
		if s.Type == "object" {
			return d.fitsObject(s, v)
		}
		ok = s.Type == ""
	case []any:
		if s.Type == "array" {
			for _, item := range v {
				if err := d.fits(*s.Items, item); err != nil {
					return err
				}
			}
			return nil
		}
		ok = s.Type == ""
	case string:
		ok = s.Type == "" || s.Type == "string" && (s.Enum == nil || slices.Contains(s.Enum, v))
	case float64:
		ok = s.Type == "" || s.Type == "integer" && v == float64(int64(v))
	case bool:
		ok = s.Type == "" || s.Type == "boolean"
	case nil:
		ok = s.Type == ""
	}
	if !ok {
		return fmt.Errorf("%v is no %s %v", value, s.Type, s.Enum)
	}
	return nil
}

func (d *description) fitsObject(s schema, value map[string]any) error {
	for _, name := range s.Required {
		if _, ok := value[name]; !ok {
			return fmt.Errorf("%s is missing", name)
		}
	}
	for name, v := range value {
		property, known := s.Properties[name]
		if !known && s.AdditionalProperties == false {
			return fmt.Errorf("%s is unknown", name)
		}
		if err := d.fits(property, v); known && err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
