import { z } from 'zod'

/**
 * One raw inbound delivery, stored before it was acknowledged. The sealed bytes are the event's attachment.
 * The stream's id derives from the bytes, so the same delivery sent again meets itself. State: received → processed | parked | failed;
 * `processed` is not an event: it means the intake's checkpoint has passed it and nothing was parked or failed.
 */
export const deliveryEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('WebhookReceived'),
    provider: z.literal('meta'),
    /** `default`, or the channel whose own Meta app signed it. */
    app: z.string(),
    sha256: z.string(),
    bytes: z.number(),
    /** Set when the provider put several tenants' changes into one delivery: this is one tenant's part of the delivery with that hash. */
    partOf: z.string().optional(),
  }),
  z.object({
    type: z.literal('DeliveryParked'),
    reason: z.enum(['unknown_number', 'unreadable']),
    /** Waiting for these numbers to be connected. */
    phoneNumberIds: z.array(z.string()),
    wabaIds: z.array(z.string()),
    detail: z.string(),
  }),
  /** One item of a delivery could not be applied; its neighbours were. `path` leads to it, e.g. `entry[0].changes[1].value.messages[3]`. */
  z.object({
    type: z.literal('DeliveryItemFailed'),
    path: z.string(),
    error: z.string(),
    /** What it would have been (`message`, `status` …) and Meta's id of the number it was for, as far as that could be told. */
    item: z.string().optional(),
    phoneNumberId: z.string().optional(),
  }),
  /** A parked delivery was handed to the tenant that meanwhile connected the number. */
  z.object({ type: z.literal('DeliveryRouted'), tenantId: z.string(), deliveryId: z.string() }),
  z.object({ type: z.literal('DeliveryReplayed'), items: z.number(), failed: z.number() }),
])
export type DeliveryEvent = z.infer<typeof deliveryEvent>
