//! The estate: enterprises, devices, work orders, readings and events, each owned by an enterprise.
