package broker

// BadRequestError is the error of an argument that breaks a rule, in words that a client
// may read. push.AsError makes push.CodeBadRequest of it.
type BadRequestError string

func (e BadRequestError) Error() string { return string(e) }
