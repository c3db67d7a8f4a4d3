package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// decode reads JSON into a value, strictly: unknown names, names that are given twice, null
// and other types are errors, with the line. Names are compared letter by letter.
func decode(text []byte, into reflect.Value) error {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var whole any
	if err := json.Unmarshal(text, &whole); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			return &lineError{lineAt(text, syntax.Offset), err}
		}
		return err
	}
	d := &decoder{text, json.NewDecoder(bytes.NewReader(text))}
	d.tokens.UseNumber()
	return d.value(into, "")
}

// lineError is an error about a line of a file.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

func lineAt(text []byte, offset int64) int {
	return 1 + bytes.Count(text[:min(offset, int64(len(text)))], []byte("\n"))
}

// decoder walks through JSON that is well-formed.
type decoder struct {
	text   []byte
	tokens *json.Decoder
}

func (d *decoder) fail(name, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if name != "" {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return &lineError{lineAt(d.text, d.tokens.InputOffset()), err}
}

// value reads the next value.
func (d *decoder) value(into reflect.Value, name string) error {
	if scalar, ok := reflect.TypeAssert[encoding.TextUnmarshaler](into.Addr()); ok {
		return d.scalar(scalar, name)
	}
	switch into.Kind() {
	case reflect.Struct:
		return d.object(into, name)
	case reflect.Slice:
		return d.list(into, name)
	default:
		var text json.RawMessage
		if err := d.tokens.Decode(&text); err != nil || string(text) == "null" || json.Unmarshal(text, into.Addr().Interface()) != nil {
			return d.fail(name, "it has to be a %s", typeName(into.Kind()))
		}
		return nil
	}
}

func typeName(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	default:
		return "whole number"
	}
}

// scalar reads a string, or a number as its text.
func (d *decoder) scalar(into encoding.TextUnmarshaler, name string) error {
	token, err := d.tokens.Token()
	text, isText := token.(string)
	if number, ok := token.(json.Number); ok {
		text, isText = number.String(), true
	}
	if err != nil || !isText {
		return d.fail(name, "it has to be a string")
	}
	if err := into.UnmarshalText([]byte(text)); err != nil {
		return d.fail(name, "%w", err)
	}
	return nil
}

func (d *decoder) open(delimiter json.Delim) bool {
	token, err := d.tokens.Token()
	return err == nil && token == delimiter
}

func (d *decoder) object(into reflect.Value, path string) error {
	if !d.open('{') {
		return d.fail(path, "it has to be an object")
	}
	seen := map[string]bool{}
	for d.tokens.More() {
		key, _ := d.tokens.Token() // the text is well-formed
		name, _ := key.(string)
		full := name
		if path != "" {
			full = path + "." + name
		}
		field, ok := fieldOf(into, name)
		if !ok {
			return d.fail(full, "there is no such setting")
		}
		if seen[name] {
			return d.fail(full, "it is given twice")
		}
		seen[name] = true
		if err := d.value(field, full); err != nil {
			return err
		}
	}
	_, err := d.tokens.Token()
	return err
}

func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if jsonName(v.Type().Field(i)) == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func (d *decoder) list(into reflect.Value, name string) error {
	if !d.open('[') {
		return d.fail(name, "it has to be a list")
	}
	into.Set(reflect.MakeSlice(into.Type(), 0, 0))
	for i := 0; d.tokens.More(); i++ {
		into.Set(reflect.Append(into, reflect.Zero(into.Type().Elem())))
		if err := d.value(into.Index(i), fmt.Sprintf("%s[%d]", name, i)); err != nil {
			return err
		}
	}
	_, err := d.tokens.Token()
	return err
}
