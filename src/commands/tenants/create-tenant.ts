import type { CommandContext } from '../../domain/kernel/context.ts'
import { derivedId } from '../../domain/kernel/ids.ts'
import { later, type Position } from '../../domain/kernel/position.ts'
import type { Vault } from '../../domain/kernel/vault.ts'
import { tenant as aggregate } from '../../domain/tenant/tenant.ts'
import type { Tenant } from '../../domain/tenant/state.ts'
import { user } from '../../domain/user/user.ts'
import { reachInto } from '../audit/trail.ts'
import { takeClaim, type Abandon } from '../claims/take.ts'
import type { Commands } from '../kernel/execute.ts'
import { step } from '../kernel/step.ts'
import { secretKey } from './secret-key.ts'

export type NewTenant = { name: string; slug: string; plan: string; locale: string; admin?: { name: string; email: string } | undefined }
export type Created =
  | {
      readonly position: Position
      readonly version: number
      readonly tenantId: string
      readonly tenant: Tenant
      readonly apiKey: { readonly id: string; readonly key: string; readonly name: string; readonly scopes: readonly string[] }
      readonly admin?: { readonly id: string; readonly name: string; readonly email: string; readonly role: 'admin' }
    }
  | { readonly refused: 'slug_taken' }
export type CreateTenant = (input: NewTenant, context: CommandContext) => Promise<Created>

/** The key an organisation starts with may do everything in it. */
const firstKey = { name: 'First key', scopes: ['*'] }

/**
 * An organisation with its first key and, if named, its administrator. Slug first; every id derives from the command, so a repeat after a crash goes on
 * where it stopped and shows the same key. Answers once the key is known to this process.
 */
export function createTenantCreation({
  commands,
  vault,
  directory,
}: {
  commands: Commands
  vault: Vault
  directory: { waitFor: (position: Position) => Promise<void> }
}): CreateTenant {
  const abandon: Abandon = async ({ tenantId }, context) => 'position' in (await commands.execute(aggregate, tenantId, { type: 'abandon' }, context))

  return async ({ admin, ...facts }, context) => {
    const tenantId = derivedId('tenant', context.commandId)
    const claimed = await takeClaim(commands, { kind: 'slug', value: facts.slug, tenantId, holderId: tenantId, abandon }, context)
    if ('refused' in claimed) return { refused: 'slug_taken' }

    await vault.ensure(tenantId, [])
    const inside = await reachInto(tenantId, context, vault)
    const create = step(inside, 'create')
    const { key, ...issued } = secretKey(vault, tenantId, create.commandId)
    const { outcomes } = await commands.executeAll(aggregate, tenantId, [
      { command: { type: 'create', ...facts }, context: create },
      { command: { type: 'issueKey', ...issued, ...firstKey }, context: step(inside, 'first key') },
    ])
    const outcome = outcomes.at(-1)
    // Somebody took our claim for abandoned between the two steps: the slug is theirs.
    if (outcome === undefined || !('position' in outcome)) return { refused: 'slug_taken' }

    const invited = admin === undefined ? undefined : await invite(tenantId, admin, step(inside, 'admin'))
    const position = later(outcome.position, invited?.position ?? outcome.position)
    await directory.waitFor(position)
    return {
      position,
      version: outcome.version,
      tenantId,
      tenant: outcome.state,
      apiKey: { id: issued.keyId, key, ...firstKey },
      ...(invited === undefined ? {} : { admin: invited.admin }),
    }
  }

  /** One user per address: the id comes from the address's blind index. */
  async function invite(
    tenantId: string,
    { name, email }: { name: string; email: string },
    context: CommandContext,
  ): Promise<{ position: Position; admin: { id: string; name: string; email: string; role: 'admin' } }> {
    const emailIndex = vault.blindIndex(tenantId, 'email', email.toLowerCase())
    const id = derivedId('user', tenantId, emailIndex)
    const outcome = await commands.execute(user, id, { type: 'invite', name, email, emailIndex, role: 'admin' }, context)
    if (!('position' in outcome)) throw new Error('an invitation is never refused')
    return { position: outcome.position, admin: { id, name, email, role: 'admin' } }
  }
}
