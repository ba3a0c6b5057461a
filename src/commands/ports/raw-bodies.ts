import type { Position } from '../../domain/kernel/position.ts'

/** A tenant that does not want to keep raw bodies of deliveries that were recorded before a moment. */
export type RawKept = { readonly tenantId: string; readonly before: Date }

/** The sealed raw bodies of deliveries, wherever the engine keeps them. */
export type RawBodies = {
  /**
   * Removes what these tenants do not keep any longer: afterwards such an event reads as one without a body. Never one that is still needed: beyond
   * `processed` the intake has not come, and history that it put aside waits. `months`: what was dropped as a whole, on engines that can.
   */
  readonly purge: (
    kept: readonly RawKept[],
    processed: Position,
    signal: AbortSignal,
  ) => Promise<{ readonly bodies: number; readonly months: readonly string[] }>
}
