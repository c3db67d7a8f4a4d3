# Prints a token, as a login service makes it: SECRET=… python3 token.py ann. The server has the same secret, as jwt.secret.
import base64, hashlib, hmac, json, os, sys, time


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


claims = {"sub": sys.argv[1], "aud": "push", "exp": int(time.time()) + 600, "tidewire": {"follow": ["orders/{sub}"]}}
head = encode(b'{"alg": "HS256"}') + b"." + encode(json.dumps(claims).encode())
print((head + b"." + encode(hmac.digest(os.environ["SECRET"].encode(), head, hashlib.sha256))).decode())
