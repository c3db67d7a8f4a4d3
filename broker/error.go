package broker

// BadRequestError is the error of an argument that breaks a rule, in words that a client
// may read. push.AsError makes push.CodeBadRequest of it.
type BadRequestError string

func (e BadRequestError) Error() string { return string(e) }

// WrongKindError is the error of a call that takes a state for a log, or a log for a state,
// in words that a client may read. push.AsError makes push.CodeWrongKind of it.
type WrongKindError string

func (e WrongKindError) Error() string { return string(e) }
