import { z } from 'zod'
import { distinct, text } from './fields.ts'
import { body, footer, frame, pictureHeader, productId, textHeader, urlAction } from './interactive-parts.ts'

// Kinds about products, catalogues, flows and payments: what they name lives at Meta, so ids are checked for their form only.

export const product = z.strictObject({
  type: z.literal('product'),
  body: body().optional(),
  footer,
  action: z.strictObject({ catalog_id: text(100), product_retailer_id: productId }),
})

const productSections = z
  .array(
    z.strictObject({
      title: text(24).optional(),
      product_items: z
        .array(z.strictObject({ product_retailer_id: productId }))
        .min(1)
        .max(30),
    }),
  )
  .min(1)
  .max(10)
  .refine((all) => all.reduce((items, section) => items + section.product_items.length, 0) <= 30, 'At most 30 products in total.')
  .refine((all) => all.length === 1 || all.every((section) => section.title !== undefined), 'With several sections each needs a title.')

export const productList = z.strictObject({
  type: z.literal('product_list'),
  header: textHeader,
  body: body(),
  footer,
  action: z.strictObject({ catalog_id: text(100), sections: productSections }),
})

export const catalog = z.strictObject({
  type: z.literal('catalog_message'),
  ...frame,
  action: z.strictObject({
    name: z.literal('catalog_message'),
    parameters: z.strictObject({ thumbnail_product_retailer_id: productId.optional() }).optional(),
  }),
})

const flowParameters = z
  .strictObject({
    flow_message_version: z.literal('3'),
    flow_id: text(100).optional(),
    flow_name: text(200).optional(),
    flow_token: text(1000).optional(),
    flow_cta: text(30),
    mode: z.enum(['draft', 'published']).optional(),
    flow_action: z.enum(['navigate', 'data_exchange']).optional(),
    flow_action_payload: z.strictObject({ screen: text(200), data: z.looseObject({}).optional() }).optional(),
  })
  .refine((given) => (given.flow_id === undefined) !== (given.flow_name === undefined), 'Give either `flow_id` or `flow_name`.')
  .refine((given) => given.flow_action !== 'data_exchange' || given.flow_action_payload === undefined, {
    path: ['flow_action_payload'],
    error: 'is for flow_action navigate only',
  })

export const flow = z.strictObject({
  type: z.literal('flow'),
  ...frame,
  action: z.strictObject({ name: z.literal('flow'), parameters: flowParameters }),
})

const quickReply = z.strictObject({
  type: z.literal('quick_reply'),
  quick_reply: z.strictObject({ id: text(256), title: text(20) }),
})
const cardButtons = z.strictObject({
  buttons: z
    .array(quickReply)
    .min(1)
    .max(3)
    .refine((all) => distinct(all, (one) => one.quick_reply.id), 'Ids of buttons must differ.'),
})
const pictureCard = z.strictObject({
  card_index: z.number().int(),
  type: z.literal('cta_url'),
  header: pictureHeader,
  body: body(160).optional(),
  action: z.union([urlAction, cardButtons]),
})
const productCard = z.strictObject({
  card_index: z.number().int(),
  type: z.literal('product'),
  action: z.strictObject({ catalog_id: text(100), product_retailer_id: productId }),
})

export const carousel = z.strictObject({
  type: z.literal('carousel'),
  body: body(),
  action: z.strictObject({
    cards: z
      .array(z.discriminatedUnion('type', [pictureCard, productCard]))
      .min(2)
      .max(10)
      .refine((cards) => cards.every((card, at) => card.card_index === at), 'Cards are numbered from 0 by `card_index`, in order.')
      .refine((cards) => cards.every((card) => card.type === cards[0]?.type), 'All cards have the same shape.'),
  }),
})

/** Payments (Brazil, India, Mexico): their parameters differ by country and provider and are Meta's to judge. */
const payment = <Type extends string, Name extends string>(type: Type, name: Name) =>
  z.strictObject({
    type: z.literal(type),
    ...frame,
    action: z.strictObject({ name: z.literal(name), parameters: z.looseObject({ reference_id: text(200) }) }),
  })
export const orderDetails = payment('order_details', 'review_and_pay')
export const orderStatus = payment('order_status', 'review_order')
