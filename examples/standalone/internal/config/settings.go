package config

import (
	"encoding"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// prefix is that of all variables of the environment.
const prefix = "TIDEWIRE_"

// setting is one field of a Config that is given as a whole: not a struct, but a list of
// structs.
type setting struct {
	name     string // in the file: "limits.perUser"
	help     string
	standard string // the default
	isSplit  bool   // at commas, if it is a list
	field    reflect.Value
}

// settings returns those of a Config, in the order of its fields.
func settings(c *Config) []setting { return settingsOf(reflect.ValueOf(c).Elem(), "") }

func settingsOf(v reflect.Value, path string) (all []setting) {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		name := path + jsonName(field)
		_, isScalar := reflect.TypeAssert[encoding.TextUnmarshaler](value.Addr())
		if value.Kind() == reflect.Struct && !isScalar {
			all = append(all, settingsOf(value, name+".")...)
			continue
		}
		all = append(all, setting{name, field.Tag.Get("help"), field.Tag.Get("default"), field.Tag.Get("split") != "no", value})
	}
	return all
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// flag is the setting's flag: "limits-per-user".
func (s *setting) flag() string {
	var name strings.Builder
	for i, r := range s.name {
		switch {
		case r == '.':
			name.WriteByte('-')
		case unicode.IsUpper(r) && i > 0:
			name.WriteByte('-')
			name.WriteRune(unicode.ToLower(r))
		default:
			name.WriteRune(r)
		}
	}
	return name.String()
}

// variable is the setting's variable in the environment: "TIDEWIRE_LIMITS_PER_USER".
func (s *setting) variable() string {
	return prefix + strings.ToUpper(strings.ReplaceAll(s.flag(), "-", "_"))
}

// kind is what the help calls the setting's type.
func (s *setting) kind() string {
	switch s.field.Interface().(type) {
	case Duration:
		return "duration"
	case Bytes:
		return "size"
	case Rate:
		return "rate"
	case string:
		return "text"
	case bool:
		return "true or false"
	case int:
		return "number"
	case []string:
		return "list"
	default:
		return "list of objects"
	}
}

// set sets the setting by texts, of which only a list takes several.
func (s *setting) set(texts ...string) (err error) {
	last := texts[len(texts)-1]
	if scalar, ok := reflect.TypeAssert[encoding.TextUnmarshaler](s.field.Addr()); ok {
		return scalar.UnmarshalText([]byte(last))
	}
	switch to := s.field.Addr().Interface().(type) {
	case *string:
		*to = last
	case *bool:
		if *to, err = strconv.ParseBool(last); err != nil {
			err = errors.New("it is true or false")
		}
	case *int:
		if *to, err = strconv.Atoi(last); err != nil {
			err = errors.New("it is a whole number")
		}
	case *[]string:
		var list []string
		for _, text := range texts {
			one, err := s.list(text)
			if err != nil {
				return err
			}
			list = append(list, one...)
		}
		*to = list
	default:
		return decode([]byte(last), s.field)
	}
	return err
}

// list reads a list: JSON, or texts with commas between.
func (s *setting) list(text string) (list []string, err error) {
	switch {
	case strings.HasPrefix(text, "["):
		err = decode([]byte(text), reflect.ValueOf(&list).Elem())
		return list, err
	case !s.isSplit:
		return []string{text}, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list, nil
}
