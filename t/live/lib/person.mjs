// Who a request is of, as the test's site is told of it.

export function headersOf({ user, groups, view }) {
  return {
    ...(user !== undefined && { 'x-user': user }),
    ...(groups !== undefined && { 'x-groups': groups }),
    ...(view !== undefined && { 'x-view': view }),
  };
}
