import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../domain/kernel/clock.ts'
import type { Vault } from '../../domain/kernel/vault.ts'

export type Part = 'file' | 'thumbnail'
export type Linked = { readonly tenantId: string; readonly mediaId: string; readonly part: Part }

export type MediaLinks = {
  /** A relative address that shows this part of this file to whoever has it, for 5 to 10 minutes. */
  readonly linkTo: (linked: Linked) => Promise<string>
  /** Whether an address was made here and has not ended. */
  readonly isGood: (linked: Linked, ends: number, signature: string) => Promise<boolean>
}

/** An address ends at the second end of a five-minute step from now: asked for twice it is the same, so that browsers keep the picture. */
const stepSeconds = 300

/**
 * Addresses that need no credential: an `<img>` has none. Signed by a key that derives from the tenant's keys in the vault, for one tenant, file, part and end.
 * Invariant: nobody makes one for a file that the tenant's own API has not shown them.
 */
export function createMediaLinks({ vault, clock }: { vault: Pick<Vault, 'ensure' | 'blindIndex'>; clock: Clock }): MediaLinks {
  const now = (): number => Math.floor(clock().getTime() / 1000)
  async function sign({ tenantId, mediaId, part }: Linked, ends: number): Promise<string> {
    await vault.ensure(tenantId, [])
    return vault.blindIndex(tenantId, 'media link', `${mediaId}\0${part}\0${ends}`)
  }
  return {
    async linkTo(linked) {
      const ends = (Math.floor(now() / stepSeconds) + 2) * stepSeconds
      return `/media/${linked.tenantId}/${linked.mediaId}/${linked.part}?ends=${ends}&signature=${await sign(linked, ends)}`
    },
    async isGood(linked, ends, signature) {
      if (ends <= now() || ends > now() + 2 * stepSeconds) return false
      const [given, good] = [Buffer.from(signature), Buffer.from(await sign(linked, ends))]
      return given.length === good.length && timingSafeEqual(given, good)
    },
  }
}
