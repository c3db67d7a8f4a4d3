package broker

// BadRequest is the error of something that can't be taken as it is, in words that a
// client may be told. [AsError] makes CodeBadRequest of it.
type BadRequest string

func (e BadRequest) Error() string { return string(e) }
