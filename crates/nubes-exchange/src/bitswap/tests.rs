mod machine;
mod network;
