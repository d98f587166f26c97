// Counts visits. State is transactional: two requests at once never count as one.
export default {
  async fetch(request, env) {
    const visits = Number((await env.KV.get("visits")) ?? "0") + 1;
    await env.KV.put("visits", String(visits));
    return Response.json({ visits });
  },
};
