//! The estate over a real database. Written against `Db`, so that every database runs the same
//! suite: a new one is one more way to make a [`client::Store`].

#[cfg(test)]
mod acceptance;
#[cfg(test)]
mod client;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod readings;
#[cfg(test)]
mod work_orders;
