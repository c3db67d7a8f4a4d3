package config

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
)

// hidden is shown instead of a secret.
const hidden = "(hidden)"

// Show returns the configuration as a file of it would be, without secrets.
func (c *Config) Show() []byte {
	shown := *c
	redact(reflect.ValueOf(&shown).Elem(), "")
	text, err := json.MarshalIndent(shown, "", "  ")
	if err != nil {
		panic(err) // every type here can be written
	}
	return append(text, '\n')
}

// redact hides the secrets in a value. Lists are copied, since they belong to the original.
func redact(v reflect.Value, secret string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			redact(v.Field(i), v.Type().Field(i).Tag.Get("secret"))
		}
	case reflect.Slice:
		if v.Len() == 0 {
			return
		}
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(list, v)
		v.Set(list)
		for i := range v.Len() {
			redact(v.Index(i), secret)
		}
	case reflect.String:
		switch {
		case v.String() == "" || secret == "":
		case secret == "url":
			v.SetString(redactURL(v.String()))
		default:
			v.SetString(hidden)
		}
	default: // no number is a secret
	}
}

// redactURL hides the passwords of a URL, which for Sentinels are in the query.
func redactURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return hidden
	}
	query := u.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			query.Set(name, "xxxxx")
		}
	}
	u.RawQuery = query.Encode()
	return u.Redacted()
}
