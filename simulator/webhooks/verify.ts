import { randomInt } from 'node:crypto'
import { request } from 'undici'

/** Meta's GET challenge: the address must answer 200 with exactly the challenge. Returns why it failed, or nothing. */
export async function challengeFailure(url: string, verifyToken: string): Promise<string | undefined> {
  const challenge = randomInt(100_000_000, 2_000_000_000).toString()
  try {
    const target = new URL(url)
    if (target.protocol !== 'http:' && target.protocol !== 'https:') return 'The callback URL is not a web address.'
    target.searchParams.set('hub.mode', 'subscribe')
    target.searchParams.set('hub.challenge', challenge)
    target.searchParams.set('hub.verify_token', verifyToken)
    const response = await request(target, { method: 'GET', headersTimeout: 5_000, bodyTimeout: 5_000 })
    const answer = await response.body.text()
    if (response.statusCode !== 200) return `The callback URL answered HTTP ${response.statusCode}.`
    return answer === challenge ? undefined : 'The callback URL did not answer with the challenge.'
  } catch {
    return "The callback URL couldn't be reached."
  }
}
