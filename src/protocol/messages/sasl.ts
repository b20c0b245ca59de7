/** Signing in by SASL: which mechanism, and its messages. */
import {
  array,
  bytes,
  ignorable,
  int16,
  int64,
  nullable,
  since,
  string,
  struct,
} from '../schema.ts'

/** SaslHandshake · KIP-43. From v1 on the messages of the mechanism travel in SaslAuthenticate (KIP-152). */
export const SaslHandshakeRequest = struct({ mechanism: string })

export const SaslHandshakeResponse = struct({ errorCode: int16, mechanisms: array(string) })

/** SaslAuthenticate · KIP-152. v1 says how long it holds: then it is to be done again (KIP-368). */
export const SaslAuthenticateRequest = struct({ authBytes: bytes })

export const SaslAuthenticateResponse = struct({
  errorCode: int16,
  errorMessage: nullable(string),
  authBytes: bytes,
  sessionLifetimeMs: ignorable(since(1, int64)),
})
