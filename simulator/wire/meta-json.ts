import { createHmac } from 'node:crypto'

/**
 * JSON as Meta puts it on the wire and signs it: everything outside ASCII as `\uXXXX` in lowercase hex, `/` as `\/`.
 * A receiver that parses and serialises again before hashing gets another signature; that is what this is for.
 */
export const metaJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[\u0080-\uffff/]/g, (char) =>
    char === '/' ? String.raw`\/` : String.raw`\u` + char.charCodeAt(0).toString(16).padStart(4, '0'),
  )

/** The value of `X-Hub-Signature-256`: HMAC of the bytes under the secret of the app. */
export const signature = (secret: string, body: string): string => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
