package jwtauth

import (
	"errors"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidewire/tidewire/push"
)

// errInURL says more than a bad token is told: it is a mistake of who wrote the
// client.
var errInURL = push.NewError(push.CodeBadRequest,
	"a token in a URL ends up in logs: send it as Authorization: Bearer, or in a cookie", nil)

// badToken refuses a token. What is wrong with it is only for the log, as it would
// help who tries out tokens.
func badToken(cause error) *push.Error {
	return push.NewError(push.CodeUnauthenticated, "the token isn't valid", cause)
}

var (
	errTwo      = errors.New("the request has more than one token")
	errNoToken  = errors.New("the Authorization header has no token after its scheme")
	errLong     = errors.New("the token is too long")
	errCritical = errors.New("the token has a crit header")
	errKey      = errors.New("the token's kid is unknown")
	errKind     = errors.New("the token's key is not for its algorithm")
	errDate     = errors.New("the token has a date beyond the year 9999")
	errAudience = errors.New("the token has an audience, and Options.Audience is empty")
	errSubject  = errors.New("the token has no sub, or one that isn't a string")
)

// causes are all that verifying a token is found to fail by. Their texts are fixed,
// while the parser's own quote the token here and there.
var causes = []error{
	errCritical, errKey, errKind,
	jwt.ErrTokenExpired, jwt.ErrTokenNotValidYet, jwt.ErrTokenUsedBeforeIssued,
	jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience,
	jwt.ErrTokenRequiredClaimMissing, jwt.ErrInvalidType,
	jwt.ErrTokenSignatureInvalid, jwt.ErrTokenUnverifiable,
}

// causeOf returns the parser's error without what it quotes.
func causeOf(err error) error {
	for _, cause := range causes {
		if errors.Is(err, cause) {
			return cause
		}
	}
	return jwt.ErrTokenMalformed
}
