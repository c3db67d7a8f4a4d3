// Package optional is for constructors whose last argument may be left out.
package optional

// One gives the only one of the arguments, or the zero value if there is none. It panics
// if there are more, of which all but one would be forgotten without a word.
func One[T any](arguments []T) (one T) {
	switch len(arguments) {
	case 0:
		return one
	case 1:
		return arguments[0]
	default:
		panic("tidewire: at most one Options can be given; put all fields into one")
	}
}
