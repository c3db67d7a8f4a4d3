package optional

// Bound gives a limit its meaning: zero is the default and negative is none.
func Bound[T ~int | ~int64](value, standard T) T {
	switch {
	case value == 0:
		return standard
	case value < 0:
		var none T // the largest value
		for bit := T(1); bit > 0; bit <<= 1 {
			none |= bit
		}
		return none
	default:
		return value
	}
}
