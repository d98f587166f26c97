const answer = await fetch("/api/visits");
const { visits } = await answer.json();
document.querySelector("#visits").textContent = visits;
