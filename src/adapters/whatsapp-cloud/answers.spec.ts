import { describe, expect, it } from 'vitest'
import { metaError, readNumbers, sendOutcome } from './answers.ts'

const answer = (status: number, body: unknown, retryAfter?: string) => ({
  answer: { status, body: typeof body === 'string' ? body : JSON.stringify(body), ...(retryAfter !== undefined && { retryAfter }) },
})
const meta = {
  error: {
    message: '(#130429) Rate limit hit',
    type: 'OAuthException',
    code: 130429,
    error_data: { messaging_product: 'whatsapp', details: 'Too fast' },
    fbtrace_id: 'Axy',
  },
}

describe('what a send came to', () => {
  it('is accepted when Meta gives an id', () => {
    expect(sendOutcome(answer(200, { messaging_product: 'whatsapp', messages: [{ id: 'wamid.1', message_status: 'accepted' }] }))).toEqual({
      outcome: 'accepted',
      providerId: 'wamid.1',
    })
  })
  it.each([
    ['no messages', {}],
    ['an empty list', { messages: [] }],
    ['an empty id', { messages: [{ id: '' }] }],
    ['an endless id', { messages: [{ id: 'w'.repeat(513) }] }],
    ['an id with control characters', { messages: [{ id: 'wamid.\u0000' }] }],
    ['nothing', ''],
    ['half an answer', '{"messaging_product":"whatsapp","messages":[{"id":"wam'],
    ['a page', '<html></html>'],
    ['null', 'null'],
  ])('is unknown when a 200 holds %s', (_what, body) => {
    expect(sendOutcome(answer(200, body))).toMatchObject({ outcome: 'unknown' })
  })
  it('is rejected, with all that Meta says, when the answer has its error, whatever the status', () => {
    for (const status of [400, 429, 500, 503]) {
      expect(sendOutcome(answer(status, meta, '7'))).toEqual({
        outcome: 'rejected',
        error: { code: 130429, status, message: '(#130429) Rate limit hit', details: 'Too fast', fbtraceId: 'Axy', retryAfterSeconds: 7 },
      })
    }
  })
  it.each([500, 502, 503, 504, 408])('is unknown for a bare %i: the request may have been processed', (status) => {
    for (const body of ['', '<html>Bad gateway</html>', '{"error":"upstream"}', '{"error":{}}'])
      expect(sendOutcome(answer(status, body))).toMatchObject({ outcome: 'unknown' })
  })
  it.each([301, 400, 403, 404, 413, 429])('is rejected without a code for a bare %i: whoever said so did not process it', (status) => {
    expect(sendOutcome(answer(status, '<html></html>'))).toMatchObject({ outcome: 'rejected', error: { code: 0, status } })
  })
  it('is not sent or unknown when there is no answer, depending on whether the request was written', () => {
    expect(sendOutcome({ failed: 'ECONNRESET', written: false })).toEqual({ outcome: 'not_sent', reason: 'ECONNRESET' })
    expect(sendOutcome({ failed: 'ECONNRESET', written: true })).toEqual({ outcome: 'unknown', reason: 'ECONNRESET' })
  })
})

describe("Meta's error", () => {
  const error = (body: unknown, retryAfter?: string) => metaError(answer(400, body, retryAfter).answer)
  it('is read with a text as error_data, as other Graph endpoints have it', () => {
    expect(error({ error: { code: 100, message: 'm', error_data: 'plain' } })).toEqual({ code: 100, status: 400, message: 'm', details: 'plain' })
  })
  it('is read with only a code, and with a code that is a string', () => {
    expect(error({ error: { code: 4 } })).toEqual({ code: 4, status: 400, message: '' })
    expect(error({ error: { code: '4' } })).toMatchObject({ code: 4 })
  })
  it('is not made up from a body without a code', () => {
    for (const body of [{ error: { code: null } }, { error: {} }, { error: 'x' }, {}, 'x', '[]']) expect(error(body)).toBeUndefined()
  })
  it('takes Retry-After as seconds or as a date, and nothing else', () => {
    const inAMinute = new Date(Date.now() + 60_000).toUTCString()
    expect(error(meta, inAMinute)?.retryAfterSeconds).toBeGreaterThan(50)
    expect(error(meta, 'soon')).not.toHaveProperty('retryAfterSeconds')
    expect(error(meta, '-5')).not.toHaveProperty('retryAfterSeconds')
  })
})

describe('the numbers of an account', () => {
  it('are read without stumbling over fields Meta changes', () => {
    const page = { data: [{ id: 1, verified_name: 'Tienda', throughput: 'HIGH', quality_rating: 'GREEN' }], paging: { cursors: { after: 'b' } } }
    expect(readNumbers(answer(200, page).answer)).toEqual({ numbers: [{ id: '1', facts: { verifiedName: 'Tienda', qualityRating: 'GREEN' } }] })
  })
  it('go on with the next page only if there is one', () => {
    expect(readNumbers(answer(200, { data: [], paging: { cursors: { after: 'b' }, next: 'https://x' } }).answer)).toEqual({ numbers: [], after: 'b' })
  })
})
