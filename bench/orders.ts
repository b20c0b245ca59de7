/** What the benches of sending send: orders, of a hundred customers. */
export function order(n: number) {
  return {
    orderId: `order-${n}`,
    customerId: `customer-${n % 100}`,
    address: 'Main Street 1',
    total: n,
  }
}
