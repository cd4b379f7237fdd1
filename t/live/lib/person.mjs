// Who a request is of, as the test's site is told of it.

export function headersOf({ user, groups, view }) {
  return {
    ...(user != null && { 'x-user': user }),
    ...(groups != null && { 'x-groups': groups }),
    ...(view != null && { 'x-view': view }),
  };
}
